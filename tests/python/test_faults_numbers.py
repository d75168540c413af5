"""Numbers at their limits: long sums, large means, infinities and NaN, division of integers."""

import numpy as np
import pytest

import taper
import taper.nn.functional as F
from taper import nn

t = taper.tensor
nan, inf = np.nan, np.inf


# --- long sums ---


@pytest.mark.parametrize("form", ["dot", "row by column", "rows by vector", "batch", "transposed", "linear"])
def test_products_over_ten_million_terms(form):
    count = 10_000_000 if form in ("dot", "row by column") else 2_000_000
    rng = np.random.default_rng(1)
    a, b = rng.random(count, dtype=np.float32), rng.random(count, dtype=np.float32)
    x, y = t(a), t(b)
    expected = np.dot(a.astype(np.float64), b)
    got = {
        "dot": lambda: taper.dot(x, y),
        "row by column": lambda: x.view(1, -1) @ y.view(-1, 1),
        "rows by vector": lambda: (x.expand(3, count) @ y)[2],
        "batch": lambda: taper.bmm(x.view(1, 1, -1), y.view(1, -1, 1)),
        "transposed": lambda: y.view(1, -1) @ x.view(-1, 1),
        "linear": lambda: F.linear(x.view(1, -1), y.view(1, -1)),
    }[form]()
    np.testing.assert_allclose(got.item(), expected, rtol=1e-6)


def test_sums_of_more_ones_than_float32_counts():
    ones = taper.ones(2**24 + 1000)
    assert ones.sum().item() == 2**24 + 1000
    assert ones.cumsum(0)[-1].item() == 2**24 + 1000
    assert ones.mean().item() == 1 and ones.norm().item() == np.float32(np.sqrt(2.0**24 + 1000))
    assert taper.ones(10_000, dtype=taper.bfloat16).sum().item() == 9984  # 10000 rounded to bfloat16


# --- a small spread about a large mean ---


def normalized(x, dims):
    wide = x.astype(np.float64)
    mean, var = wide.mean(dims, keepdims=True), wide.var(dims, keepdims=True)
    return (wide - mean) / np.sqrt(var + 1e-5)


@pytest.mark.parametrize("mean, bound", [(1e4, 2e-5), (1e6, 2e-3)])
def test_normalizations_about_a_large_mean(mean, bound):
    x = (np.random.default_rng(2).standard_normal((64, 32, 8)) + mean).astype(np.float32)
    layers = {
        "layer": (F.layer_norm(t(x), (8,)), normalized(x, (2,))),
        "layer of two": (F.layer_norm(t(x), (32, 8)), normalized(x, (1, 2))),
        "group": (F.group_norm(t(x), 4), normalized(x.reshape(64, 4, -1), (2,)).reshape(x.shape)),
        "instance": (F.instance_norm(t(x)), normalized(x, (2,))),
        "batch": (F.batch_norm(t(x), None, None, training=True), normalized(x, (0, 2))),
    }
    for name, (got, expected) in layers.items():
        assert np.abs(got.numpy() - expected).max() <= bound, name
    for got, expected in (
        (t(x).var(), x.astype(np.float64).var(ddof=1)),
        (t(x).std(), x.std(ddof=1, dtype=np.float64)),
    ):
        np.testing.assert_allclose(got.item(), expected, rtol=1e-6)


def test_gradient_of_layer_norm_about_a_large_mean():
    x = (np.random.default_rng(3).standard_normal((16, 64)) + 1e4).astype(np.float32)
    weights = np.random.default_rng(4).standard_normal((16, 64)).astype(np.float32)
    gradients = []
    for dtype in (taper.float32, taper.float64):
        leaf = t(x).to(dtype).requires_grad_()
        (F.layer_norm(leaf, (64,)) * t(weights).to(dtype)).sum().backward()
        gradients.append(leaf.grad.numpy())
    y = normalized(x, (1,))
    scale = 1 / np.sqrt(x.astype(np.float64).var(1, keepdims=True) + 1e-5)
    expected = scale * (weights - weights.mean(1, keepdims=True) - y * (weights * y).mean(1, keepdims=True))
    np.testing.assert_allclose(gradients[1], expected, atol=1e-7)
    np.testing.assert_allclose(gradients[0], expected, atol=5e-5)


# --- NaN and infinities ---

VALUES = np.array([[1.0, nan, -2.0, 0.5], [3.0, -1.0, 2.0, nan], [0.25, 4.0, -0.5, 1.5]])
OTHER = np.array([[nan, 1.0, 2.0, -3.0], [1.0, nan, 0.5, nan], [2.0, -1.0, nan, 1.0]])


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# name: (Taper over x and y, NumPy over the same).
NAN_TABLE = {
    "max": (lambda x, y: x.max(1).values, lambda x, y: x.max(1)),
    "max of all": (lambda x, y: x.max(), lambda x, y: x.max()),
    "min": (lambda x, y: x.min(1).values, lambda x, y: x.min(1)),
    "amax": (lambda x, y: x.amax(0), lambda x, y: x.max(0)),
    "amin": (lambda x, y: x.amin(0), lambda x, y: x.min(0)),
    "argmax": (lambda x, y: x.argmax(1), lambda x, y: x.argmax(1)),
    "argmin": (lambda x, y: x.argmin(1), lambda x, y: x.argmin(1)),
    "sort": (lambda x, y: x.sort(1).values, lambda x, y: np.sort(x, 1)),
    "sort, descending": (lambda x, y: x.sort(1, True).values, lambda x, y: np.sort(x, 1)[:, ::-1]),
    "argsort": (lambda x, y: x.argsort(1), lambda x, y: np.argsort(x, 1, kind="stable")),
    "topk": (lambda x, y: x.topk(2, 1).values, lambda x, y: np.sort(x, 1)[:, :1:-1]),
    "unique": (lambda x, y: x[2].unique(), lambda x, y: np.unique(x[2])),
    "median": (lambda x, y: x.median(1).values, lambda x, y: np.array([nan, nan, 0.25])),
    "nanmedian": (lambda x, y: x.nanmedian(1).values, lambda x, y: np.array([0.5, 2.0, 0.25])),
    "cummax": (lambda x, y: x.cummax(1).values, lambda x, y: np.maximum.accumulate(x, 1)),
    "cummin": (lambda x, y: x.cummin(1).values, lambda x, y: np.minimum.accumulate(x, 1)),
    "maximum": (taper.maximum, np.maximum),
    "minimum": (taper.minimum, np.minimum),
    "fmax": (taper.fmax, np.fmax),
    "fmin": (taper.fmin, np.fmin),
    "clamp": (lambda x, y: x.clamp(0, 1), lambda x, y: np.clip(x, 0, 1)),
    "relu": (lambda x, y: F.relu(x), lambda x, y: np.maximum(x, 0)),
    "relu6": (lambda x, y: F.relu6(x), lambda x, y: np.clip(x, 0, 6)),
    "hardtanh": (lambda x, y: F.hardtanh(x), lambda x, y: np.clip(x, -1, 1)),
    "threshold": (lambda x, y: F.threshold(x, 0, 7), lambda x, y: np.where(x <= 0, 7, x)),
    "leaky_relu": (lambda x, y: F.leaky_relu(x, 0.5), lambda x, y: np.where(x < 0, x / 2, x)),
    "elu": (lambda x, y: F.elu(x), lambda x, y: np.where(x <= 0, np.expm1(x), x)),
    "sigmoid": (lambda x, y: x.sigmoid(), lambda x, y: 1 / (1 + np.exp(-x))),
    "tanh": (lambda x, y: x.tanh(), lambda x, y: np.tanh(x)),
    "floor": (lambda x, y: x.floor(), lambda x, y: np.floor(x)),
    "round": (lambda x, y: x.round(), lambda x, y: np.round(x)),
    "abs": (lambda x, y: x.abs(), lambda x, y: np.abs(x)),
    "sqrt": (lambda x, y: x.sqrt(), lambda x, y: np.sqrt(x)),
    "log": (lambda x, y: x.log(), lambda x, y: np.log(x)),
    "sum": (lambda x, y: x.sum(1), lambda x, y: x.sum(1)),
    "mean": (lambda x, y: x.mean(0), lambda x, y: x.mean(0)),
    "prod": (lambda x, y: x.prod(1), lambda x, y: x.prod(1)),
    "var": (lambda x, y: x.var(1), lambda x, y: x.var(1, ddof=1)),
    "nansum": (lambda x, y: x.nansum(1), lambda x, y: np.nansum(x, 1)),
    "nanmean": (lambda x, y: x.nanmean(1), lambda x, y: np.nanmean(x, 1)),
    "norm": (lambda x, y: x.norm(2, 1), lambda x, y: np.linalg.norm(x, axis=1)),
    "cumsum": (lambda x, y: x.cumsum(1), lambda x, y: x.cumsum(1)),
    "softmax": (lambda x, y: x.softmax(1), lambda x, y: softmax(x)),
    "max_pool1d": (lambda x, y: F.max_pool1d(x[None], 2), lambda x, y: x.reshape(1, 3, 2, 2).max(3)),
    "avg_pool1d": (lambda x, y: F.avg_pool1d(x[None], 2), lambda x, y: x.reshape(1, 3, 2, 2).mean(3)),
    "matmul": (lambda x, y: x @ y.T, lambda x, y: x @ y.T),
    "hypot": (taper.hypot, np.hypot),
    "atan2": (taper.atan2, np.arctan2),
    "pow": (taper.pow, np.power),
    "logaddexp": (taper.logaddexp, np.logaddexp),
    "copysign": (taper.copysign, np.copysign),
    "remainder": (taper.remainder, np.remainder),
    "fmod": (taper.fmod, np.fmod),
    "eq": (taper.eq, np.equal),
    "ne": (taper.ne, np.not_equal),
    "lt": (taper.lt, np.less),
    "isclose": (
        lambda x, y: taper.isclose(x, y, equal_nan=True),
        lambda x, y: np.isclose(x, y, equal_nan=True),
    ),
    "any": (lambda x, y: x.any(1), lambda x, y: x.any(1)),
    "nan_to_num": (lambda x, y: x.nan_to_num(5.0), lambda x, y: np.nan_to_num(x, nan=5.0)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAN_TABLE)
def test_nan(name, dtype):
    call, reference = NAN_TABLE[name]
    x, y = VALUES.astype(dtype), OTHER.astype(dtype)
    with np.errstate(all="ignore"):
        expected = reference(x, y)
    got = call(t(x), t(y)).numpy()
    np.testing.assert_allclose(got, expected, rtol=2e-6 if dtype == "float32" else 1e-12, equal_nan=True)


def test_infinities_in_exponentials():
    def rows(*values):
        return t(np.array(values, dtype=np.float32))

    assert np.isnan(rows(-inf, -inf).softmax(0).numpy()).all()
    assert rows(-inf, 0.0).softmax(0).tolist() == [0, 1]
    assert rows(-inf, -inf).logsumexp(0).item() == -inf and rows(inf, inf).logsumexp(0).item() == inf
    assert rows(1e38, 1e38).logsumexp(0).item() == np.float32(1e38)
    assert rows(1e38, 1e38).softmax(0).tolist() == [0.5, 0.5]
    query = taper.ones(1, 1, 2, 3)
    masked = F.scaled_dot_product_attention(query, query, query, attn_mask=t([[False, False], [True, False]]))
    assert masked.tolist() == [[[[0, 0, 0], [1, 1, 1]]]]


def test_airy_function_far_out():
    # Ai(x) is about exp(-2/3 x^1.5), which is nothing long before x^1.5 overflows.
    x = t([100.0, 1e4, 1e200, 1e300, inf], dtype=taper.float64)
    got = taper.special.airy_ai(x).numpy()
    assert 0 < got[0] < 1e-280 and (got[1:] == 0).all()


def test_clipping_infinite_gradients():
    def parameters():
        first, second = nn.Parameter(taper.ones(2)), nn.Parameter(taper.ones(2, 2))
        first.grad, second.grad = taper.ones(2), t([[inf, 1.0], [nan, 1.0]])
        return [first, second]

    given = parameters()
    with pytest.raises(RuntimeError) as caught:
        nn.utils.clip_grad_norm_(given, 1.0, error_if_nonfinite=True)
    assert str(caught.value) == (
        "The total norm of order 2.0 for gradients is non-finite, so it cannot be clipped: gradient 1 of shape (2, 2). "
        "To disable this error, set error_if_nonfinite=False"
    )
    assert given[0].grad.tolist() == [1, 1]
    given = parameters()
    assert np.isnan(
        nn.utils.clip_grad_norm_(given, 1.0).item()
    )  # as in PyTorch, and so is what the gradients become
    assert np.isnan(given[0].grad.numpy()).all()


def test_learning_rates_that_cannot_be():
    parameter = nn.Parameter(taper.ones(1))
    for rate in (-1.0, nan):
        with pytest.raises(ValueError, match="Invalid learning rate"):
            taper.optim.SGD([parameter], lr=rate)
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        taper.optim.Adam([])


def test_one_value_has_no_variance():
    for layer, x in ((nn.BatchNorm1d(3), taper.ones(1, 3)), (nn.InstanceNorm1d(3), taper.ones(2, 3, 1))):
        with pytest.raises(ValueError, match=r"expected more than 1 .* when training, got input size"):
            layer(x)


# --- integers ---


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
@pytest.mark.parametrize(
    "name, divide",
    {
        "floor_divide": lambda a, b: a // b,
        "remainder": lambda a, b: a % b,
        "fmod": lambda a, b: taper.fmod(a, b),
        "trunc_divide": lambda a, b: taper.div(a, b, rounding_mode="trunc"),
    }.items(),
)
def test_integers_by_zero(name, divide, dtype):
    a = t(np.array([5, 7], dtype=dtype))
    for zero in (0, t(np.array([1, 0], dtype=dtype)), t(np.array(0, dtype=dtype))):
        with pytest.raises(ValueError, match=f"{name}: integer division by zero"):
            divide(a, zero)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_the_least_integer_by_minus_one(dtype):
    least = np.iinfo(dtype).min
    x = t(np.array([least, 7], dtype=dtype))
    for one in (-1, t(np.array(-1, dtype=dtype)), t(np.array([-1, -1], dtype=dtype))):
        assert (x // one).tolist() == [least, -7]  # wraps, as the product -1 * least does
        assert (x % one).tolist() == [0, 0] and taper.fmod(x, one).tolist() == [0, 0]
        assert taper.div(x, one, rounding_mode="trunc").tolist() == [least, -7]
    assert x.abs()[0].item() == least and (-x)[0].item() == least


def test_conversions_out_of_range_are_the_same_everywhere():
    wide = t([inf, -inf, nan, 3e9, -3e9, 1.0] * 40)
    for x in (wide, wide[:6], wide[::6], wide.view(40, 6).t()):
        got = x.to(taper.int32)
        alone = [v.to(taper.int32).item() for v in x.reshape(-1)]
        assert got.reshape(-1).tolist() == alone
    assert t([300.0, 1.0]).to(taper.uint8).tolist() == [44, 1]
    assert (t([127], dtype=taper.int8) + 1).tolist() == [-128]


@pytest.mark.parametrize("shift", [64, 100, 2**40])
def test_shifts_by_more_than_there_are_bits(shift):
    assert (t([1, -1]) << shift).tolist() == [0, 0]
    assert (t([1, -1]) >> shift).tolist() == [0, -1]
