"""out=: which dtypes, shapes and memory an operation writes its result into, as PyTorch decides it."""

import numpy as np
import pytest

import taper
from taper import linalg


def numbers(*shape):
    return taper.tensor(np.random.default_rng(3).normal(size=shape).astype(np.float32))


def converting(out):
    return taper.add(numbers(2, 3), 1, out=out)


def test_a_wider_dtype_is_converted_to():
    assert converting(taper.empty(2, 3, dtype=taper.float64)).dtype is taper.float64
    assert converting(taper.empty(2, 3, dtype=taper.complex64)).dtype is taper.complex64


@pytest.mark.parametrize(
    "call",
    [
        converting,
        lambda out: linalg.cross(numbers(2, 3), numbers(2, 3), out=out),
        lambda out: taper.cholesky_inverse(taper.eye(3), out=out),
        lambda out: taper.alias_copy(numbers(2, 3), out=out),
    ],
)
def test_a_lower_kind_of_number_is_refused(call):
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type int64"):
        call(taper.empty(2, 3, dtype=taper.int64))


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("amax", (numbers(2, 3), 0)),
        ("mm", (numbers(2, 3), numbers(3, 2))),
        ("gather", (numbers(2, 3), 0, taper.zeros(2, 3, dtype=taper.int64))),
        ("complex", (numbers(3), numbers(3))),
        ("dot", (numbers(3), numbers(3))),
        ("multinomial", (taper.ones(3), 2)),
    ],
)
def test_some_operations_convert_nothing(name, arguments):
    result = getattr(taper, name)(*arguments)
    wider = taper.complex128 if result.is_complex() else taper.float64
    with pytest.raises(RuntimeError, match="expected out tensor to have dtype"):
        getattr(taper, name)(*arguments, out=taper.empty(result.shape, dtype=wider))


def test_another_size_is_resized():
    for call in (converting, lambda out: taper.alias_copy(numbers(2, 3), out=out)):
        out = taper.empty(5)
        assert call(out) is out and out.shape == (2, 3)


def test_memory_that_an_operand_shares_in_part_is_refused():
    x = numbers(6)
    before = x.numpy().copy()
    for call in (
        lambda: taper.add(x[:4], 1, out=x[1:5]),
        lambda: taper.take(x, taper.tensor([0, 1, 2]), out=x),
        lambda: taper.cat([x[:2], x[2:4]], out=x[1:5]),
        lambda: taper.kthvalue(x, 2, out=(x, taper.empty((), dtype=taper.int64))),
    ):
        with pytest.raises(RuntimeError, match="clone\\(\\) the operand first"):
            call()
        np.testing.assert_array_equal(x.numpy(), before)
    np.testing.assert_array_equal(taper.add(x, 1, out=x).numpy(), before + 1)


def test_elements_that_share_memory_are_refused():
    with pytest.raises(RuntimeError, match="some of whose elements share memory"):
        taper.add(numbers(2, 3), 1, out=taper.empty(1, 3).expand(2, 3))
    with pytest.raises(RuntimeError, match="some of whose elements share memory"):
        taper.index_select(numbers(3, 6), 1, taper.tensor([0, 1]), out=taper.empty(1, 6).expand(2, 6))


def test_operations_on_numbers_alone_are_refused():
    for name in ("remainder", "bitwise_and"):
        with pytest.raises(TypeError, match="must be Tensor where no other argument is one"):
            getattr(taper, name)(2, 3)
    with pytest.raises(TypeError):
        taper.pow(2, 3)
    assert taper.remainder(5, taper.tensor([2, 3])).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [taper.int32, taper.float64])
def test_a_new_row_has_the_dtype_of_out(dtype):
    for make in (lambda out: taper.zeros(2, out=out), lambda out: taper.linspace(0, 4, 3, out=out)):
        out = taper.empty(0, dtype=dtype)
        assert make(out) is out and out.dtype == dtype and out.numel() > 1
    with pytest.raises(TypeError, match="does not match that of out"):
        taper.zeros(2, dtype=taper.float32, out=taper.empty(0, dtype=dtype))
