"""taper.masked against NumPy's masked arrays."""

import numpy as np
import pytest

import taper

VALUES = np.array([[3.0, -1.0, 2.0, 0.5], [1.5, 4.0, -2.0, 2.5], [0.25, 1.0, -3.0, 2.0]])
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
KEPT = np.ma.array(VALUES, mask=~MASK)
GROWN, SHRUNK = np.where(MASK, np.exp(VALUES), 0), np.where(MASK, np.exp(-VALUES), 0)
X, M = taper.tensor(VALUES), taper.tensor(MASK)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("sum", KEPT.sum(1)),
        ("prod", KEPT.prod(1)),
        ("mean", KEPT.mean(1)),
        ("amax", KEPT.max(1)),
        ("amin", KEPT.min(1)),
        ("argmax", KEPT.argmax(1)),
        ("argmin", KEPT.argmin(1)),
        ("var", KEPT.var(1, ddof=1)),
        ("std", KEPT.std(1, ddof=1)),
        ("cumsum", np.where(MASK, VALUES, 0).cumsum(1)),
        ("cumprod", np.where(MASK, VALUES, 1).cumprod(1)),
        ("logsumexp", np.log(np.where(MASK, np.exp(VALUES), 0).sum(1))),
        ("softmax", GROWN / GROWN.sum(1, keepdims=True)),
        ("softmin", SHRUNK / SHRUNK.sum(1, keepdims=True)),
    ],
)
def test_masked_out_elements_do_not_count(name, expected):
    result = getattr(taper.masked, name)(X, 1, mask=M)
    np.testing.assert_allclose(result.numpy(), np.asarray(expected), rtol=1e-12)


def test_norm_median_and_normalize():
    size = np.sqrt(np.where(MASK, VALUES**2, 0).sum(1))
    np.testing.assert_allclose(taper.masked.norm(X, 2.0, 1, mask=M).numpy(), size, rtol=1e-12)
    scaled = np.where(MASK, VALUES, 0) / size[:, None]
    np.testing.assert_allclose(taper.masked.normalize(X, 2.0, 1, mask=M).numpy(), scaled, rtol=1e-12)
    assert taper.masked.median(X, 1, mask=M).tolist() == [2.0, -2.0, 1.0]


def test_masks_broadcast_and_gradients_stop_at_them():
    x = taper.tensor(VALUES, requires_grad=True)
    taper.masked.mean(x, mask=taper.tensor([True, False, True, False])).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.tile([1 / 6, 0, 1 / 6, 0], (3, 1)))


def test_a_row_without_elements_and_too_large_a_mask():
    assert taper.masked.amax(X, 1, mask=taper.zeros(3, 4, dtype=taper.bool)).tolist() == [-np.inf] * 3
    assert taper.masked.mean(X, 1, mask=taper.zeros(3, 4, dtype=taper.bool)).isnan().all()
    with pytest.raises(taper.IndexError):
        taper.masked.sum(X, mask=taper.ones(1, 3, 4, dtype=taper.bool))


def test_native_normalizations_return_the_statistics():
    result, mean, scale = taper.native_layer_norm(X, (4,), None, None, 1e-5)
    np.testing.assert_allclose(mean.numpy()[:, 0], VALUES.mean(1))
    np.testing.assert_allclose(result.numpy(), (VALUES - mean.numpy()) * scale.numpy())
    assert taper.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
