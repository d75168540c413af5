"""Kernels of neural networks on "cuda" where the registry's samples are thin: several tiles and blocks, groups,
16-bit types, ties, empty sizes. Expected are the CPU's results in float64, of operands rounded to the dtype."""

import numpy as np
import pytest

import taper
import taper.nn.functional as F

TOLERANCE = {taper.float64: 1e-11, taper.float32: 2e-5, taper.float16: 4e-3, taper.bfloat16: 3e-2}
FLOATING = [taper.float64, taper.float32, taper.float16, taper.bfloat16]
random = np.random.default_rng(7)


def numbers(*shape, dtype=taper.float64):
    """Numbers that the dtype holds."""
    return taper.tensor(random.standard_normal(shape)).to(dtype)


def array(x):
    return np.asarray(x.detach().cpu().to(taper.float64).numpy())


def run(function, operands, move, dtype):
    leaves = [move(x).detach().requires_grad_(x.is_floating_point()) for x in operands]
    y = function(*leaves)
    weights = taper.tensor(np.cos(np.arange(y.numel())).reshape(y.shape)).to(dtype)
    (y * weights.to(y.dtype).to(y.device)).sum().backward()
    return [y] + [x.grad for x in leaves if x.requires_grad]


def assert_as_on_cpu(function, *operands, tolerance=None):
    """Result and gradients of all operands, compared beside the largest of each."""
    dtype = next(x.dtype for x in operands if x.is_floating_point())
    got = run(function, operands, lambda x: x.to("cuda"), dtype)
    expected = run(function, operands, lambda x: x.to(taper.float64) if x.is_floating_point() else x, dtype)
    for one, other in zip(got, expected):
        assert one.device.type == "cuda" and one.shape == other.shape
        one, other = array(one), array(other)
        largest = np.abs(other).max(initial=1, where=np.isfinite(other))
        np.testing.assert_allclose(one, other, rtol=0, atol=(tolerance or TOLERANCE[dtype]) * largest)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize(
    "x, w, options",
    [
        pytest.param((2, 5, 9, 8), (70, 5, 3, 2), {"padding": 1}, id="several tiles of channels"),
        pytest.param((2, 34, 4, 5), (18, 17, 2, 2), {"groups": 2, "stride": (2, 1)}, id="wide groups"),
        pytest.param((2, 6, 7, 6), (12, 1, 3, 3), {"groups": 6, "padding": 1}, id="depthwise"),
        pytest.param(
            (1, 4, 5, 4, 3), (3, 4, 2, 3, 2), {"padding": (1, 1, 2), "dilation": (1, 2, 1)}, id="3d"
        ),
        pytest.param((3, 8, 20), (4, 8, 5), {"stride": 3, "padding": 4}, id="1d"),
        pytest.param((1, 3, 30, 40), (8, 3, 1, 1), {}, id="pointwise"),
    ],
)
def test_convolution(device, x, w, options, dtype):
    convolution = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[len(x)]
    assert_as_on_cpu(
        lambda x, w, b: convolution(x, w, b, **options),
        numbers(*x, dtype=dtype),
        numbers(*w, dtype=dtype),
        numbers(w[0], dtype=dtype),
    )


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("last", [False, True])
def test_convolution_with_relu(device, dtype, last):
    """The order of z's elements need not be that of the result's."""
    order = taper.channels_last if last else taper.contiguous_format

    def run(x, w, z, b):
        return taper.cudnn_convolution_add_relu(
            x, w, z.contiguous(memory_format=order), 0.5, b, (2, 1), (1, 0), (1, 1), 2
        )

    x, w, z, b = (numbers(*s, dtype=dtype) for s in ((2, 4, 6, 5), (6, 2, 3, 2), (2, 6, 3, 4), (6,)))
    assert_as_on_cpu(run, x, w, z, b)
    assert_as_on_cpu(lambda x, w: taper.cudnn_convolution_relu(x, w, None, (1, 1), (0, 0), (1, 1), 2), x, w)


def test_relu_of_a_convolution_keeps_nan(device):
    x = taper.full((1, 1, 2, 2), float("nan"), device="cuda")
    y = taper.cudnn_convolution_relu(x, taper.ones_like(x), None, (1, 1), (0, 0), (1, 1), 1)
    assert y.isnan().all()


def test_convolution_of_images_at_an_odd_address(device):
    assert_as_on_cpu(
        lambda x, w: F.conv2d(x[1:], w[1:]),
        numbers(3, 1, 5, 3, dtype=taper.float16),
        numbers(3, 1, 3, 3, dtype=taper.float16),
    )


def test_convolution_is_recorded_in_a_graph(device):
    """Also one that is met for the first time there, for which cuDNN is not asked."""
    x, w = (
        numbers(1, 2, 6, 7, dtype=taper.float32).to("cuda"),
        numbers(3, 2, 2, 3, dtype=taper.float32).to("cuda"),
    )
    for padding, warm in [(0, False), (1, True)]:
        if warm:
            F.conv2d(x, w, padding=padding)
        graph = taper.cuda.CUDAGraph()
        with taper.cuda.graph(graph):
            y = F.conv2d(x, w, padding=padding)
        x.add_(1)
        graph.replay()
        np.testing.assert_allclose(array(y), array(F.conv2d(x.cpu(), w.cpu(), padding=padding)), atol=2e-5)


@pytest.mark.parametrize("groups, width", [(1, 3), (3, 1)])
def test_gradient_of_a_weight_is_cut_into_slices(device, groups, width):
    assert_as_on_cpu(
        lambda x, w: F.conv2d(x, w, groups=groups),
        numbers(2, 3, 24, 25, dtype=taper.float32),
        numbers(3, width, 2, 2, dtype=taper.float32),
    )


def test_transposed_convolution_reaches_beyond_its_inputs(device):
    assert_as_on_cpu(
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=3, padding=1, output_padding=(2, 1), groups=2),
        numbers(2, 4, 3, 4, dtype=taper.float32),
        numbers(4, 3, 2, 3, dtype=taper.float32),
        numbers(6, dtype=taper.float32),
    )


@pytest.mark.parametrize(
    "x, w", [((0, 3, 5, 5), (4, 3, 3, 3)), ((2, 0, 5, 5), (4, 0, 3, 3)), ((2, 3, 5, 5), (0, 3, 3, 3))]
)
def test_convolution_of_nothing(device, x, w):
    y = F.conv2d(numbers(*x).to("cuda"), numbers(*w).to("cuda"), numbers(w[0]).to("cuda"))
    assert y.shape == (x[0], w[0], 3, 3)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("last", [False, True])
def test_group_norm(device, dtype, last):
    def norm(x, w, b):
        x = x.to(memory_format=taper.channels_last) if last else x
        return F.group_norm(x, 3, w, b)

    weights = [numbers(36, dtype=dtype) for _ in range(2)]
    assert_as_on_cpu(norm, numbers(2, 36, 5, 7, dtype=dtype) + 3, *weights, tolerance=TOLERANCE[dtype] * 3)


def test_group_norm_of_a_large_mean(device):
    x = numbers(2, 4, 300, dtype=taper.float32) + 4096
    assert_as_on_cpu(lambda x: F.group_norm(x, 2), x)


@pytest.mark.parametrize("dtype", FLOATING)
def test_batch_norm_by_given_statistics(device, dtype):
    mean, variance = numbers(40), numbers(40).abs() + 0.5
    assert_as_on_cpu(
        lambda x, w, b: F.batch_norm(x, mean.to(x.device), variance.to(x.device), w, b),
        numbers(3, 40, 4, 5, dtype=dtype),
        numbers(40, dtype=dtype),
        numbers(40, dtype=dtype),
    )


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("shape", [(9, 40), (3, 40, 4, 5), (2, 3, 700)])
@pytest.mark.parametrize("last", [False, True])
def test_batch_norm(device, shape, last, dtype):
    """Several tiles of channels, and several slices of a channel."""

    def norm(x, w, b):
        last_dim = last and x.ndim == 4
        x = x.to(memory_format=taper.channels_last) if last_dim else x
        return F.batch_norm(x, None, None, w, b, training=True)

    weights = [numbers(shape[1], dtype=dtype) for _ in range(2)]
    assert_as_on_cpu(norm, numbers(*shape, dtype=dtype) + 3, *weights, tolerance=TOLERANCE[dtype] * 4)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("shape", [(3, 40), (520, 2), (2, 700)])
def test_layer_norm(device, shape, dtype):
    weights = [numbers(shape[1], dtype=dtype) for _ in range(2)]
    assert_as_on_cpu(
        lambda x, w, b: F.layer_norm(x, (shape[1],), w, b),
        numbers(*shape, dtype=dtype) + 3,
        *weights,
        tolerance=TOLERANCE[dtype] * 4,
    )


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_norm_of_a_large_mean(device, norm):
    x = numbers(40, 300, dtype=taper.float32) + 4096
    functions = {
        "batch": lambda x: F.batch_norm(x, None, None, training=True),
        "layer": lambda x: F.layer_norm(x, (300,)),
        "rms": lambda x: F.rms_norm(x, (300,)),
    }
    assert_as_on_cpu(functions[norm], x, tolerance=1e-4)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize(
    "shape, options",
    [
        ((2, 3, 7, 9), {"size": (15, 4), "mode": "bilinear"}),
        ((2, 3, 7, 9), {"size": (15, 4), "mode": "bilinear", "antialias": True}),
        ((1, 2, 20, 17), {"size": (6, 5), "mode": "bicubic", "antialias": True}),
        ((1, 2, 6, 5), {"size": (11, 8), "mode": "bicubic", "align_corners": True}),
        ((1, 2, 3, 4, 5), {"scale_factor": 1.7, "mode": "trilinear"}),
        ((2, 2, 13), {"scale_factor": 2.3, "mode": "nearest"}),
        ((2, 2, 13), {"size": 7, "mode": "nearest-exact"}),
    ],
)
def test_interpolate(device, shape, options, dtype):
    assert_as_on_cpu(lambda x: F.interpolate(x, **options), numbers(*shape, dtype=dtype))


def test_interpolate_chooses_the_inputs_of_the_cpu(device):
    """Where rounding decides between two inputs, on many ratios of sizes."""
    for size in range(1, 60):
        x = taper.arange(37, dtype=taper.float32).reshape(1, 1, 37)
        for mode in ("nearest", "nearest-exact"):
            here = F.interpolate(x, size=size, mode=mode)
            assert array(F.interpolate(x.to("cuda"), size=size, mode=mode)).tolist() == array(here).tolist()


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(device, mode, dtype):
    indices = taper.tensor([3, 1, 3, 0, 0, 2, 5, 3, 3, 1])
    offsets = taper.tensor([0, 3, 3, 8])  # the second bag is empty
    assert_as_on_cpu(
        lambda w: F.embedding_bag(indices.to(w.device), w, offsets.to(w.device), mode=mode, padding_idx=2),
        numbers(6, 33, dtype=dtype),
    )


@pytest.mark.parametrize("dtype", FLOATING)
def test_embedding_bag_weighs_samples(device, dtype):
    indices, offsets = taper.tensor([3, 1, 3, 0, 0, 2]), taper.tensor([0, 1, 5])
    assert_as_on_cpu(
        lambda w, s: F.embedding_bag(
            indices.to(w.device), w, offsets.to(w.device), mode="sum", per_sample_weights=s, padding_idx=1
        ),
        numbers(6, 40, dtype=dtype),
        numbers(6, dtype=dtype),
    )


def test_maximum_of_a_bag_is_the_first_or_the_last_nan(device):
    table = taper.tensor([[1.0, float("nan")], [1.0, 2.0], [0.0, float("nan")]], requires_grad=True)
    for move in ("cpu", "cuda"):
        leaf = table.detach().to(move).requires_grad_()
        y = F.embedding_bag(taper.tensor([[2, 1, 0, 2]]).to(move), leaf, mode="max")
        y.sum().backward()
        assert np.array_equal(array(y), [[1, np.nan]], equal_nan=True)
        assert array(leaf.grad).tolist() == [[0, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize("dtype", FLOATING)
def test_embedding_scales_gradients_by_frequency(device, dtype):
    indices = taper.tensor([[3, 1, 3], [0, 3, 2]])
    assert_as_on_cpu(
        lambda w: F.embedding(indices.to(w.device), w, padding_idx=2, scale_grad_by_freq=True),
        numbers(5, 20, dtype=dtype),
    )


def test_bad_indices_and_offsets_of_bags_are_reported(device):
    table = numbers(4, 3).to("cuda")
    for indices, offsets in [([0, 4], [0, 1]), ([0, 1], [1, 2]), ([0, 1, 2], [0, 3, 2])]:
        y = F.embedding_bag(
            taper.tensor(indices).to("cuda"), table, taper.tensor(offsets).to("cuda"), mode="sum"
        )
        with pytest.raises(IndexError, match="embedding"):
            y.cpu()


ATTENTION = {
    "one tile": ((2, 2, 9, 8), (2, 2, 11, 8), 5, {}),
    "several tiles": ((1, 2, 70, 20), (1, 2, 75, 20), 9, {}),
    "causal": ((1, 1, 66, 3), (1, 1, 66, 3), 3, {"is_causal": True}),
    "causal, more keys": ((1, 1, 5, 4), (1, 1, 80, 4), 4, {"is_causal": True}),
    "causal, more queries": ((1, 1, 80, 4), (1, 1, 5, 4), 4, {"is_causal": True}),
    "heads that share keys": ((2, 4, 5, 4), (2, 2, 7, 4), 3, {"enable_gqa": True}),
    "wide heads": ((1, 1, 5, 150), (1, 1, 6, 150), 140, {"scale": 0.1}),
}


@pytest.mark.parametrize("dtype", [taper.float32, taper.bfloat16])
@pytest.mark.parametrize("case", ATTENTION)
def test_attention(device, case, dtype):
    q, k, value_size, options = ATTENTION[case]
    assert_as_on_cpu(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options),
        numbers(*q, dtype=dtype),
        numbers(*k, dtype=dtype),
        numbers(*k[:-1], value_size, dtype=dtype),
    )


@pytest.mark.parametrize("kind", ["bool", "floating"])
def test_attention_with_a_mask_that_hides_all_keys_of_a_query(device, kind):
    seen = random.random((1, 2, 6, 7)) < 0.5
    seen[:, :, 3] = False
    mask = taper.tensor(seen if kind == "bool" else np.where(seen, 0.3, -np.inf).astype(np.float32))
    q, k = numbers(2, 2, 6, 4, dtype=taper.float32), numbers(2, 2, 7, 4, dtype=taper.float32)

    def attention(q, k, v):
        own = mask.to(q.device)
        return F.scaled_dot_product_attention(q, k, v, own if kind == "bool" else own.to(q.dtype))

    assert_as_on_cpu(attention, q, k, k + 1)
    assert not array(attention(q.to("cuda"), k.to("cuda"), k.to("cuda")))[:, :, 3].any()


def test_attention_of_large_scores(device):
    q, k = numbers(1, 1, 4, 8, dtype=taper.float32) * 50, numbers(1, 1, 9, 8, dtype=taper.float32) * 50
    got = F.scaled_dot_product_attention(q.to("cuda"), k.to("cuda"), k.to("cuda"))
    expected = F.scaled_dot_product_attention(*(x.to(taper.float64) for x in (q, k, k)))
    np.testing.assert_allclose(array(got), array(expected), rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_cells(device, kind, dtype):
    cell = {"LSTM": taper.nn.LSTMCell, "GRU": taper.nn.GRUCell}[kind](3, 5).to(taper.float64)
    parameters = [p.detach().to(dtype) for p in cell.parameters()]

    def step(x, h, *weights):
        names = [name for name, _ in cell.named_parameters()]
        other = {"LSTM": taper.nn.LSTMCell, "GRU": taper.nn.GRUCell}[kind](3, 5).to(x.device, x.dtype)
        y = taper.func.functional_call(other, dict(zip(names, weights)), (x, (h, h) if kind == "LSTM" else h))
        return y[0] * y[1] if kind == "LSTM" else y

    assert_as_on_cpu(step, numbers(4, 3, dtype=dtype), numbers(4, 5, dtype=dtype), *parameters)
