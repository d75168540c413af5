"""Functions that read and write images at computed places, and margin losses. Expected values: closed forms,
inverses, and constants that PyTorch 2.15 gave."""

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn import functional as F


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_identity_grid_reads_the_image_itself(mode, align_corners):
    x = taper.randn(2, 3, 4, 5)
    theta = taper.eye(2, 3).expand(2, 2, 3)
    grid = F.affine_grid(theta, x.shape, align_corners=align_corners)
    y = F.grid_sample(x, grid, mode=mode, align_corners=align_corners)
    np.testing.assert_allclose(y.numpy(), x.numpy(), atol=2e-5)


def test_a_shifted_volume_has_zeros_or_its_border_outside():
    x = taper.arange(8.0).reshape(1, 1, 2, 2, 2)
    theta = taper.tensor([[[1.0, 0, 0, 2.0], [0, 1, 0, 0], [0, 0, 1, 0]]])  # two pixels to the left along x
    grid = F.affine_grid(theta, x.shape, align_corners=True)
    assert F.grid_sample(x, grid, align_corners=True).flatten().tolist() == [1, 0, 3, 0, 5, 0, 7, 0]
    border = F.grid_sample(x, grid, padding_mode="border", align_corners=True)
    assert border.flatten().tolist() == [1, 1, 3, 3, 5, 5, 7, 7]


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_gradients_of_grid_sample(padding_mode):
    x = taper.randn(1, 2, 3, 4, dtype=taper.float64, requires_grad=True)
    grid = (taper.rand(1, 2, 3, 2, dtype=taper.float64) * 1.6 - 0.8).requires_grad_()
    assert taper.autograd.gradcheck(lambda a, b: F.grid_sample(a, b, padding_mode=padding_mode), (x, grid))
    assert taper.autograd.gradcheck(lambda a, b: F.grid_sample(a, b, mode="bicubic"), (x, grid))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_puts_the_maxima_back(dims):
    x = taper.randn(2, 3, *[6] * dims)
    pool = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)
    unpool = getattr(nn, f"MaxUnpool{dims}d")(2)
    y, indices = pool(x)
    back = unpool(y, indices)
    assert back.shape == x.shape
    assert set(np.unique(back.numpy())) == {0.0, *np.unique(y.numpy())}
    assert np.all((back.numpy() == 0) | (back.numpy() == x.numpy()))
    with pytest.raises(ValueError, match="output_size"):
        unpool(y, indices, output_size=[9] * dims)


def test_margin_losses():
    x = taper.tensor([[0.1, 0.2, 0.4, 0.8]])
    assert F.multi_margin_loss(x, taper.tensor([3])).item() == pytest.approx(0.325)  # PyTorch's example
    target = taper.tensor([[3, 0, -1, 1]])
    assert F.multilabel_margin_loss(x, target).item() == pytest.approx(0.85)  # PyTorch's example
    a, b, c = taper.zeros(2, 3), taper.ones(2, 3), 3 * taper.ones(2, 3)
    loss = nn.TripletMarginWithDistanceLoss(distance_function=lambda p, q: (p - q).abs().sum(1), margin=10.0)
    assert loss(a, b, c).item() == pytest.approx(3 - 9 + 10)
    with pytest.raises(taper.ShapeError):
        F.multi_margin_loss(x, taper.tensor([0, 1]))


def test_random_slopes_lie_between_their_bounds():
    x = -taper.ones(1000)
    y = nn.RReLU(0.1, 0.3)(x)
    assert (-y).min().item() >= 0.1 and (-y).max().item() <= 0.3 and y.std().item() > 0.02
    np.testing.assert_allclose(nn.RReLU(0.1, 0.3).eval()(x).numpy(), -0.2, rtol=1e-6)


def test_channel_layers():
    x = taper.arange(8.0).reshape(1, 4, 2)
    assert nn.ChannelShuffle(2)(x)[0, :, 0].tolist() == [0, 4, 2, 6]
    dropped = nn.FeatureAlphaDropout(0.5)(taper.ones(64, 32, 3))
    assert all(len(np.unique(channel)) == 1 for channel in dropped.numpy().reshape(-1, 3))
    columns = nn.Unfold(2, stride=2)(taper.arange(16.0).reshape(1, 1, 4, 4))
    assert columns[0, :, 0].tolist() == [0, 1, 4, 5]
    assert nn.Fold((4, 4), 2, stride=2)(columns).flatten().tolist() == list(range(16))
    assert nn.LPPool2d(2, 2)(taper.full((1, 1, 2, 2), 3.0)).item() == pytest.approx(6)


def _fractional_starts(sample, size, out, kernel):
    alpha = (size - kernel) / max(out - 1, 1)
    return [int((i + sample) * alpha) - int(sample * alpha) for i in range(out - 1)] + [size - kernel]


@pytest.mark.parametrize("dims", [2, 3])
def test_fractional_pools_take_the_maxima_of_their_windows(dims):
    rng = np.random.default_rng(dims)
    x, samples = rng.normal(size=(2, 3, 8, 7, 6)[: dims + 2]), rng.uniform(size=(2, 3, dims))
    out, kernel = (4, 3, 2)[:dims], (2, 3, 2)[:dims]
    pool = getattr(taper.nn.functional, f"fractional_max_pool{dims}d")
    values, places = pool(
        taper.tensor(x), kernel, out, return_indices=True, _random_samples=taper.tensor(samples)
    )
    for n, c in np.ndindex(2, 3):
        order = samples[n, c][::-1] if dims == 2 else samples[n, c]
        starts = [_fractional_starts(s, *sizes) for s, *sizes in zip(order, x.shape[2:], out, kernel)]
        for place in np.ndindex(*out):
            window = tuple(slice(starts[d][i], starts[d][i] + kernel[d]) for d, i in enumerate(place))
            assert values[(n, c, *place)].item() == x[n, c][window].max()
            assert x[n, c].ravel()[places[(n, c, *place)].item()] == x[n, c][window].max()
    leaf = taper.tensor(x, requires_grad=True)
    pool(leaf, kernel, out, _random_samples=taper.tensor(samples)).sum().backward()
    assert leaf.grad.sum().item() == 2 * 3 * np.prod(out)


def test_fractional_layers():
    taper.manual_seed(0)
    x = taper.randn(2, 3, 9, 9)
    assert taper.nn.FractionalMaxPool2d(3, output_ratio=0.5)(x).shape == (2, 3, 4, 4)
    assert taper.nn.FractionalMaxPool2d(3, output_size=2)(x[:0]).shape == (0, 3, 2, 2)
    y, places = taper.nn.FractionalMaxPool2d(2, output_size=(5, 4), return_indices=True)(x[0])
    assert y.shape == places.shape == (3, 5, 4)
    assert (x[0].flatten(1).gather(1, places.flatten(1)) == y.flatten(1)).all()
    with pytest.raises(taper.ShapeError, match="too large"):
        taper.nn.functional.fractional_max_pool2d(x, 3, output_size=8)
    with pytest.raises(taper.ValueError, match="output_size or an output_ratio"):
        taper.nn.functional.fractional_max_pool2d(x, 3)


def test_pools_with_indices_and_activations_in_place():
    F = taper.nn.functional
    x = taper.randn(1, 2, 6, 6)
    y, places = F.max_pool2d_with_indices(x, 2)
    assert (x.flatten(2).gather(2, places.flatten(2)) == y.flatten(2)).all()
    z = x.clone()
    assert F.celu_(z, 0.5) is z and (z == F.celu(x, 0.5)).all()


@pytest.mark.parametrize("size", [-1, (2, -1)])
def test_adaptive_pools_refuse_negative_sizes(size):
    with pytest.raises(taper.ValueError, match="negative"):
        taper.nn.functional.adaptive_avg_pool2d(taper.ones(1, 1, 4, 4), size)
    assert taper.nn.AdaptiveAvgPool2d((None, 2))(taper.ones(1, 1, 4, 4)).shape == (1, 1, 4, 2)


def test_fractional_pool_takes_samples_of_a_larger_batch():
    pool, x = taper.nn.functional.fractional_max_pool3d, taper.rand(4, 7, 7, 7)
    samples = taper.rand(2, 4, 3)
    whole = pool(x, 2, output_size=3, _random_samples=samples[:1])
    assert taper.equal(pool(x, 2, output_size=3, _random_samples=samples), whole)
    with pytest.raises(ValueError, match="_random_samples must be"):
        pool(x, 2, output_size=3, _random_samples=samples[:, :3])


IMAGE = (np.arange(70) * 37 % 256).astype(np.uint8).reshape(1, 2, 5, 7)


# PyTorch 2.15's results in the first channel.
@pytest.mark.parametrize(
    "mode, size, options, expected",
    [
        ("bilinear", (3, 4), {}, [[15, 80, 144, 209], [20, 85, 149, 214], [25, 90, 154, 219]]),
        ("bicubic", (3, 4), {}, [[12, 81, 143, 212], [17, 86, 148, 217], [22, 91, 153, 222]]),
        (
            "bicubic",
            (3, 4),
            {"antialias": True},
            [[16, 78, 146, 208], [21, 83, 151, 213], [26, 88, 156, 218]],
        ),
        (
            "bilinear",
            (6, 9),
            {"align_corners": True},
            [
                [0, 28, 56, 83, 111, 139, 167, 194, 222],
                [2, 30, 58, 85, 113, 141, 169, 196, 224],
                [5, 33, 61, 88, 116, 144, 172, 199, 227],
                [7, 35, 63, 90, 118, 146, 174, 201, 229],
                [10, 38, 66, 93, 121, 149, 177, 204, 232],
                [12, 40, 68, 95, 123, 151, 179, 206, 234],
            ],
        ),
        (
            "bicubic",
            (6, 9),
            {},
            [
                [0, 21, 54, 84, 111, 138, 168, 201, 224],
                [0, 23, 56, 86, 113, 140, 170, 203, 226],
                [3, 26, 59, 89, 116, 143, 173, 206, 229],
                [5, 28, 61, 91, 118, 145, 175, 208, 231],
                [8, 31, 64, 94, 121, 148, 178, 211, 234],
                [10, 33, 66, 96, 123, 150, 180, 213, 236],
            ],
        ),
    ],
)
def test_images_of_bytes_are_resized_as_pytorch_does(mode, size, options, expected):
    result = taper.nn.functional.interpolate(taper.tensor(IMAGE), size=size, mode=mode, **options)
    assert result.dtype is taper.uint8 and result[0, 0].tolist() == expected


def test_multilabel_margin_loss_needs_classes():
    with pytest.raises(RuntimeError, match="C not 0"):
        F.multilabel_margin_loss(taper.ones(0), taper.zeros(0, dtype=taper.int64))


def test_feature_alpha_dropout_takes_complex_channels():
    taper.manual_seed(0)
    x = taper.ones(4, 8, 3, dtype=taper.complex64)
    result = F.feature_alpha_dropout(x, 0.5, training=True)
    assert result.dtype is taper.complex64 and (result == result[..., :1]).all()
    assert len({complex(value) for value in result.flatten().tolist()}) == 2
