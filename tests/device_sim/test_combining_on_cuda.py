"""Values that meet in one element, and products of integers: the CPU's results, in every dtype."""

import numpy as np
import pytest

import taper

FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["int8", "uint8", "int16", "int32", "int64", "bool"]
COMPLEX = ["complex64", "complex128"]


def small(dtype, *shape, seed):
    """Small integers, whose sums and products every dtype holds exactly, and which wrap in bytes."""
    values = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 4, shape)
    return taper.tensor(values).to(getattr(taper, dtype))


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amin", "amax"])
@pytest.mark.parametrize("dtype", FLOATS + INTEGERS + COMPLEX)
def test_scatter_reduce(device, dtype, reduce, include_self):
    if dtype in COMPLEX and reduce.startswith("am"):
        pytest.skip("complex numbers have no order")
    x, source = small(dtype, 5, 6, seed=0), small(dtype, 7, 6, seed=1)
    index = taper.tensor(np.random.default_rng(2).integers(0, 5, (7, 6)))

    def combined(move):
        return move(x).scatter_reduce(0, move(index), move(source), reduce, include_self=include_self)

    assert taper.equal(combined(lambda t: t.cuda()).cpu(), combined(lambda t: t))


def test_the_larger_of_nan_and_a_number_is_nan(device):
    x, source, index = taper.ones(3), taper.tensor([np.nan, 2.0]), taper.tensor([0, 1])
    result = x.cuda().scatter_reduce(0, index.cuda(), source.cuda(), "amax").cpu()
    np.testing.assert_array_equal(result.numpy(), [np.nan, 2, 1])


@pytest.mark.parametrize("dtype", COMPLEX)
def test_complex_numbers_are_added_at_indices(device, dtype):
    x, rows = small(dtype, 4, 3, seed=0), small(dtype, 6, 3, seed=1) * 1j
    index = taper.tensor([0, 2, 2, 3, 0, 2])
    expected = x.index_add(0, index, rows, alpha=2)
    assert taper.equal(x.cuda().index_add(0, index.cuda(), rows.cuda(), alpha=2).cpu(), expected)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_products_of_integers(device, dtype):
    a, b = (taper.tensor(np.random.default_rng(s).integers(-90, 90, (3, 4, 4))) for s in (0, 1))
    a, b = a.to(getattr(taper, dtype)), b.to(getattr(taper, dtype))
    for x, y in ((a, b), (a.mT, b), (a[0], b[1].T), (a[0, :2], b[0][:, :3])):
        assert taper.equal((x.cuda() @ y.cuda()).cpu(), x @ y)
