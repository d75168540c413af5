"""Scans, order, selection and counting on "cuda" where the samples of the registry are thin: several blocks,
ties, NaN, every dtype, empty sizes. Expected values come from NumPy."""

import numpy as np
import pytest

import taper

RNG = np.random.default_rng(11)


def on_cuda(x):
    return taper.tensor(x).to("cuda")


def host(x):
    return x.cpu().numpy()


def with_ties(dtype, *shape):
    """Few different numbers; of floating ones also NaN, infinities and both zeros."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5, 3e-5, -7.0], dtype)
        return values[RNG.integers(0, len(values), shape)]
    if dtype.kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max, 0, 1, 2, 100], dtype)
    return values[RNG.integers(0, len(values), shape)]


def places_in_order(x, descending=False):
    """Stable, with NaN as the largest and -0 equal to 0."""
    _, ranks = np.unique(x, return_inverse=True, equal_nan=True)
    ranks = ranks.reshape(x.shape).astype(np.int64)
    return np.argsort(-ranks if descending else ranks, axis=-1, kind="stable")


DTYPES = ["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable_and_puts_nan_last(device, dtype, descending):
    for shape in [(3, 33), (70, 5), (2, 1)]:
        x = with_ties(dtype, *shape)
        values, places = taper.sort(on_cuda(x), -1, descending)
        expected = places_in_order(x, descending)
        np.testing.assert_array_equal(host(places), expected)
        np.testing.assert_array_equal(host(values), np.take_along_axis(x, expected, -1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize("rows", [1, 3])
def test_sort_of_rows_longer_than_a_block_holds(device, dtype, rows):
    x = with_ties(dtype, rows, 1100)
    values, places = taper.sort(on_cuda(x), -1, rows == 3)
    expected = places_in_order(x, rows == 3)
    np.testing.assert_array_equal(host(places), expected)
    np.testing.assert_array_equal(host(values), np.take_along_axis(x, expected, -1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
@pytest.mark.parametrize("n, k", [(40, 7), (1500, 30), (1500, 1), (1300, 1200)])
def test_topk_takes_the_first_of_equals(device, dtype, n, k):
    x = with_ties(dtype, 2, n)
    for largest in (True, False):
        values, places = taper.topk(on_cuda(x), k, -1, largest)
        expected = places_in_order(x, largest)[:, :k]
        np.testing.assert_array_equal(host(places), expected)
        np.testing.assert_array_equal(host(values), np.take_along_axis(x, expected, -1))


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
@pytest.mark.parametrize("n", [1, 50, 1400])
def test_kthvalue_and_median(device, dtype, n):
    x = with_ties(dtype, 3, n)
    if n > 1 and x.dtype.kind == "f":
        x[0] = np.nan  # a row of NaN only, one with some, one with none
        x[2] = np.nan_to_num(x[2], nan=4.0, posinf=np.inf, neginf=-np.inf)
    order = places_in_order(x)
    rows = np.arange(3)
    for k in {1, (n + 2) // 3, n}:
        values, places = taper.kthvalue(on_cuda(x), k)
        np.testing.assert_array_equal(host(places), order[:, k - 1])
        np.testing.assert_array_equal(host(values), x[rows, order[:, k - 1]])
    numbers = (~np.isnan(x)).sum(-1)
    for function, ignore in ((taper.median, False), (taper.nanmedian, True)):
        rank = np.where((numbers == 0) | ((numbers < n) & (not ignore)), numbers, (numbers - 1) // 2)
        values, places = function(on_cuda(x), -1)
        np.testing.assert_array_equal(host(places), order[rows, rank])
        np.testing.assert_array_equal(host(values), x[rows, order[rows, rank]])


@pytest.mark.parametrize("shape, dim", [((3, 1500), 1), ((700, 3), 0), ((2, 70, 5), 1), ((9, 12), 1)])
def test_running_totals_of_lines_cut_into_pieces(device, shape, dim):
    x = RNG.normal(size=shape)
    np.testing.assert_allclose(host(taper.cumsum(on_cuda(x), dim)), np.cumsum(x, dim), rtol=1e-12, atol=1e-12)
    near_one = 1 + x / 100
    np.testing.assert_allclose(
        host(taper.cumprod(on_cuda(near_one), dim)), np.cumprod(near_one, dim), rtol=1e-12
    )
    np.testing.assert_allclose(
        host(taper.logcumsumexp(on_cuda(x), dim)), np.logaddexp.accumulate(x, dim), rtol=1e-12, atol=1e-12
    )
    integers = RNG.integers(-(2**62), 2**62, shape)
    np.testing.assert_array_equal(host(taper.cumsum(on_cuda(integers), dim)), np.cumsum(integers, dim))
    small = RNG.integers(-100, 100, shape).astype(np.int8)
    np.testing.assert_array_equal(host(taper.cumsum(on_cuda(small), dim)), np.cumsum(small, dim, np.int64))


def test_logcumsumexp_of_infinities_and_nan(device):
    x = np.array([-np.inf, -np.inf, 1.0, 800.0, np.inf, 3.0, np.nan, 1.0])
    with np.errstate(invalid="ignore"):
        expected = np.logaddexp.accumulate(x)
    np.testing.assert_allclose(host(taper.logcumsumexp(on_cuda(x), 0)), expected)


@pytest.mark.parametrize("shape, dim", [((2, 1100), 1), ((70, 2), 0)])
def test_running_extremes_keep_the_last_of_equals_and_nan(device, shape, dim):
    x = RNG.integers(0, 9, shape).astype(np.float64)
    x[(-1, shape[1] // 2) if dim else (shape[0] // 2, -1)] = np.nan
    for function, better in ((taper.cummax, np.greater_equal), (taper.cummin, np.less_equal)):
        lines = np.moveaxis(x, dim, -1).reshape(-1, shape[dim])
        expected = np.empty(lines.shape, np.int64)
        for line, places in zip(lines, expected):
            best = 0
            for i, value in enumerate(line):
                if better(value, line[best]) or np.isnan(value):
                    best = i
                places[i] = best
        values, places = function(on_cuda(x), dim)
        np.testing.assert_array_equal(np.moveaxis(host(places), dim, -1).reshape(expected.shape), expected)
        np.testing.assert_array_equal(
            np.moveaxis(host(values), dim, -1).reshape(expected.shape), np.take_along_axis(lines, expected, 1)
        )


def test_unique_numbers_and_rows(device):
    for x in (RNG.integers(-40, 40, 1500), with_ties("float32", 60)):
        values, inverse, counts = taper.unique(on_cuda(x), True, True, True)
        expected = np.unique(x, return_inverse=True, return_counts=True, equal_nan=False)
        np.testing.assert_array_equal(host(values), expected[0])
        np.testing.assert_array_equal(host(counts), expected[2])
        numbers = ~np.isnan(x)  # which NaN is which is the order of their places, not NumPy's
        np.testing.assert_array_equal(host(inverse)[numbers], expected[1][numbers])
    for width in (3, 40):
        x = RNG.integers(0, 3, (300, width))
        x[:, 2:] = 0
        got = taper.unique(on_cuda(x), True, True, True, 0)
        expected = np.unique(x, return_inverse=True, return_counts=True, axis=0)
        for one, other in zip(got, expected):
            np.testing.assert_array_equal(host(one), other.reshape(one.shape))


def test_unique_consecutive_takes_complex_numbers(device):
    x = np.repeat(np.array([1 + 1j, 1 - 1j, 1 + 1j, 0], np.complex64), [3, 1, 400, 2])
    values, inverse, counts = taper.unique_consecutive(on_cuda(x), True, True)
    np.testing.assert_array_equal(host(values), [1 + 1j, 1 - 1j, 1 + 1j, 0])
    np.testing.assert_array_equal(host(inverse), np.repeat(np.arange(4), [3, 1, 400, 2]))
    np.testing.assert_array_equal(host(counts), [3, 1, 400, 2])


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", "int64"])
def test_searchsorted(device, dtype):
    edges = np.sort(RNG.integers(0, 90, (2, 37)), -1).astype(dtype)
    values = RNG.integers(0, 100, (2, 300)).astype(dtype)
    for side in ("left", "right"):
        got = host(taper.searchsorted(on_cuda(edges), on_cuda(values), side=side))
        for row in range(2):
            np.testing.assert_array_equal(got[row], np.searchsorted(edges[row], values[row], side))
    shuffled = edges[0][::-1].copy()
    got = taper.searchsorted(on_cuda(shuffled), on_cuda(values), sorter=taper.argsort(on_cuda(shuffled)))
    np.testing.assert_array_equal(host(got), np.searchsorted(edges[0], values))


def test_searchsorted_reports_a_sorter_out_of_range(device):
    edges, order = on_cuda(np.array([1.0, 2.0])), on_cuda(np.array([0, 2]))
    places = taper.searchsorted(edges, on_cuda(np.array([1.5])), sorter=order)
    with pytest.raises(IndexError, match="searchsorted"):
        places.cpu()


@pytest.mark.parametrize("bins", [7, 6000])
def test_counts_in_shared_and_global_memory(device, bins):
    x = RNG.integers(0, bins, 6000)
    weights = RNG.integers(0, 8, 6000).astype(np.float32)  # sums of small whole numbers are exact
    np.testing.assert_array_equal(host(taper.bincount(on_cuda(x))), np.bincount(x))
    got = taper.bincount(on_cuda(x), on_cuda(weights), bins + 3)
    np.testing.assert_array_equal(host(got), np.bincount(x, weights, bins + 3))
    numbers = RNG.normal(size=6000)
    numbers[:3] = np.nan, -3, 3
    got = taper.histc(on_cuda(numbers), bins, -3, 3)
    np.testing.assert_array_equal(host(got), np.histogram(numbers[1:], bins, (-3, 3))[0])


def test_bincount_names_the_first_negative_integer(device):
    x = np.arange(600)
    x[300], x[500] = -4, -5
    with pytest.raises(ValueError, match="value -4 at position 300"):
        taper.bincount(on_cuda(x))


def test_nonzero_over_many_chunks_and_strides(device):
    x = RNG.integers(0, 3, (50, 90)).astype(np.float32)
    x[0, 0], x[0, 1] = np.nan, -0.0
    np.testing.assert_array_equal(host(taper.nonzero(on_cuda(x))), np.argwhere(x))
    np.testing.assert_array_equal(host(taper.nonzero(on_cuda(x).T)), np.argwhere(x.T))
    np.testing.assert_array_equal(host(on_cuda(x)[on_cuda(x > 1)]), x[x > 1])
    assert taper.nonzero(on_cuda(np.zeros((3, 4)))).shape == (0, 2)
    assert taper.nonzero(on_cuda(np.zeros((0, 4)))).shape == (0, 2)


def test_empty_sizes(device):
    assert taper.sort(on_cuda(np.zeros((0, 3))))[0].shape == (0, 3)
    assert taper.sort(on_cuda(np.zeros((3, 0))))[0].shape == (3, 0)
    assert taper.topk(on_cuda(np.zeros((3, 4))), 0)[1].shape == (3, 0)
    assert taper.unique(on_cuda(np.zeros(0))).shape == (0,)
    assert taper.cumsum(on_cuda(np.zeros((0, 3))), 1).shape == (0, 3)
    assert taper.bincount(on_cuda(np.zeros(0, np.int64))).shape == (0,)


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial_draws_on_the_device_what_the_cpu_draws(device, replacement):
    weights = RNG.uniform(0.1, 1, (3, 40))
    weights[:, ::2] = 0
    drawn = []
    for place in ("cpu", "cuda"):
        taper.manual_seed(5)
        drawn.append(taper.multinomial(taper.tensor(weights).to(place), 12, replacement))
    assert drawn[1].device.type == "cuda"
    np.testing.assert_array_equal(host(drawn[1]), host(drawn[0]))
    assert (host(drawn[1]) % 2 == 1).all()
