"""autocast's casts follow PyTorch's lists for the CPU; GradScaler's arithmetic follows its definition."""

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn import functional as F

b16, f16, f32, f64 = taper.bfloat16, taper.float16, taper.float32, taper.float64


def ones(*shape, dtype=f32, **options):
    return taper.ones(*shape, dtype=dtype, **options)


LOWER = {
    "@": lambda: ones(2, 3) @ ones(3, 2),
    "mm": lambda: ones(2, 3).mm(ones(3, 2)),
    "bmm": lambda: taper.bmm(ones(1, 2, 3), ones(1, 3, 2)),
    "addmm": lambda: taper.addmm(ones(2, 2), ones(2, 3), ones(3, 2)),
    "einsum": lambda: taper.einsum("ij,jk->ik", ones(2, 3), ones(3, 2)),
    "linear": lambda: F.linear(ones(2, 3), ones(4, 3), ones(4)),
    "conv2d": lambda: F.conv2d(ones(1, 1, 3, 3), ones(1, 1, 2, 2)),
    "conv_transpose1d": lambda: F.conv_transpose1d(ones(1, 1, 3), ones(1, 1, 2)),
    "attention": lambda: F.scaled_dot_product_attention(ones(1, 1, 2, 4), ones(1, 1, 2, 4), ones(1, 1, 2, 4)),
}
FLOAT32 = {
    "mse_loss": lambda x: F.mse_loss(x, x),
    "l1_loss": lambda x: F.l1_loss(x, target=x),
    "cross_entropy": lambda x: F.cross_entropy(x, taper.tensor([0, 1])),
    "nll_loss": lambda x: F.nll_loss(x, taper.tensor([0, 1])),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, x),
    "prod": lambda x: x.prod(),
}
KEPT = {
    "add": lambda x: x + x,
    "softmax": lambda x: x.softmax(-1),
    "relu": lambda x: F.relu(x),
    "layer_norm": lambda x: F.layer_norm(x, [2], ones(2), ones(2)),
    "batch_norm": lambda x: F.batch_norm(x, taper.zeros(2), ones(2), ones(2), ones(2)),
    "addmm_": lambda x: x.addmm_(x, x),
}


@pytest.mark.parametrize("dtype", [b16, f16])
@pytest.mark.parametrize("name", LOWER)
def test_products_run_in_the_lower_precision(name, dtype):
    with taper.autocast("cpu", dtype=dtype):
        assert LOWER[name]().dtype is dtype
    assert LOWER[name]().dtype is f32


@pytest.mark.parametrize("name", FLOAT32)
def test_sensitive_operations_run_in_float32(name):
    with taper.autocast("cpu"):
        assert FLOAT32[name](ones(2, 2, dtype=b16)).dtype is f32
    assert FLOAT32[name](ones(2, 2, dtype=b16)).dtype is b16


@pytest.mark.parametrize("name", KEPT)
def test_other_operations_keep_their_dtype(name):
    with taper.autocast("cpu"):
        assert KEPT[name](ones(2, 2, dtype=b16)).dtype is b16


def test_joined_tensors_get_the_widest_dtype():
    with taper.autocast("cpu"):
        assert taper.cat([ones(1), ones(1, dtype=b16)]).dtype is f32
        assert taper.stack([ones(1, dtype=b16), ones(1, dtype=b16)]).dtype is b16


def test_float64_and_results_given_by_out_are_left_alone():
    out = taper.zeros(2, 2)
    with taper.autocast("cpu"):
        assert (ones(2, 2, dtype=f64) @ ones(2, 2, dtype=f64)).dtype is f64
        assert taper.mm(ones(2, 2), ones(2, 2), out=out).dtype is f32


def test_modes_nest_and_decorate():
    @taper.autocast("cpu")
    def product():
        return LOWER["mm"]().dtype

    with taper.autocast("cpu", dtype=f16) as mode:
        assert taper.is_autocast_enabled("cpu") and not taper.is_autocast_enabled() and mode.fast_dtype is f16
        with taper.autocast("cpu", enabled=False):
            assert LOWER["mm"]().dtype is f32
        assert product() is b16 and LOWER["mm"]().dtype is f16
    assert not taper.is_autocast_enabled("cpu") and taper.get_autocast_dtype("cpu") is b16
    with taper.cpu.amp.autocast():
        assert LOWER["mm"]().dtype is b16


def test_modes_that_cannot_be():
    with pytest.warns(UserWarning, match="Disabling"), taper.autocast("cuda"):
        assert LOWER["mm"]().dtype is f32
    with pytest.warns(UserWarning, match="not supported"), taper.autocast("cpu", dtype=f64):
        assert LOWER["mm"]().dtype is f32
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        taper.autocast("tpu")


def test_gradients_of_parameters_stay_in_float32_and_casts_are_shared():
    layer, x = nn.Linear(2, 2, bias=False), ones(1, 2)
    with taper.autocast("cpu"):
        loss = (layer(x) + layer(x)).sum()
    loss.backward()
    assert layer.weight.grad.dtype is f32 and layer.weight.grad.tolist() == [[2, 2], [2, 2]]
    with taper.no_grad():
        layer.weight.fill_(3)
    with taper.autocast("cpu"):
        assert layer(x).tolist() == [[6, 6]]


def test_custom_functions_follow_their_forward():
    seen = []

    class Square(taper.autograd.Function):
        @staticmethod
        @taper.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x @ x

        @staticmethod
        @taper.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(taper.is_autocast_enabled("cpu"))
            (x,) = ctx.saved_tensors
            return (g @ x.T + x.T @ g).float()

    class Exact(taper.autograd.Function):
        @staticmethod
        @taper.amp.custom_fwd(device_type="cpu", cast_inputs=f32)
        def forward(ctx, x):
            seen.append((x @ x).dtype)
            return x * 1

        @staticmethod
        @taper.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(taper.is_autocast_enabled("cpu"))
            return g

    x = ones(2, 2, requires_grad=True)
    with taper.autocast("cpu"):
        y = Square.apply(x)
        z = Exact.apply(x)
    assert y.dtype is b16
    (y.float() + z).sum().backward()
    assert sorted(map(str, seen)) == ["False", "True", "taper.float32"] and x.grad.tolist() == [
        [5, 5],
        [5, 5],
    ]


def test_scaler_grows_shrinks_and_skips():
    scaler = taper.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    p = nn.Parameter(ones(1))
    optimizer = taper.optim.SGD([p], lr=0.5)
    history = []
    for slope in (1.0, 2.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale((p * slope).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        history.append((p.item(), scaler.get_scale()))
    assert history == [(0.5, 8), (-0.5, 16), (-0.5, 8), (-1.0, 8)]
    other = taper.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict() and other.get_scale() == 8


@pytest.mark.parametrize("infinite", [0, 1, 2])
def test_scaler_skips_a_step_for_one_infinite_gradient_of_several(infinite):
    scaler, parameters = (
        taper.amp.GradScaler("cpu", init_scale=4.0),
        [nn.Parameter(ones(2)) for _ in range(3)],
    )
    optimizer = taper.optim.SGD([*parameters, nn.Parameter(ones(1))], lr=1.0)
    slopes = [1.0, 2.0, 3.0]
    for slope, result in ((float("nan"), [1.0, 1.0, 1.0]), (slopes[infinite], [0.0, -1.0, -2.0])):
        slopes[infinite] = slope
        optimizer.zero_grad()
        scaler.scale(sum((p * s).sum() for p, s in zip(parameters, slopes))).backward()
        scaler.step(optimizer)
        scaler.update()
        assert [p.tolist() for p in parameters] == [[value] * 2 for value in result]


def test_scaler_refuses_calls_out_of_order():
    scaler, p = taper.amp.GradScaler("cpu"), nn.Parameter(ones(1))
    optimizer = taper.optim.SGD([p], lr=0.5)
    with pytest.raises(AssertionError, match="scaler.scale"):
        scaler.step(optimizer)
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    assert p.grad.item() == 1
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)


def test_cuda_scaler_is_disabled_without_a_gpu():
    from taper.cuda.amp import GradScaler, autocast

    with pytest.warns(UserWarning, match="Disabling"):
        scaler = GradScaler()
    assert not scaler.is_enabled() and scaler.get_scale() == 1 and scaler.scale(ones(1)).item() == 1
    with pytest.warns(UserWarning, match="Disabling"), autocast():
        assert LOWER["mm"]().dtype is f32


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_run_in_the_narrow_type(kind):
    taper.manual_seed(0)
    layer, x = getattr(nn, kind)(6, 8, num_layers=2, bidirectional=True), taper.randn(3, 2, 6)
    expected = layer(x)[0]
    with taper.autocast("cpu", dtype=taper.bfloat16):
        output = layer(x)[0]
    assert output.dtype is taper.bfloat16
    np.testing.assert_allclose(output.float().detach().numpy(), expected.detach().numpy(), atol=2e-2)
    output.float().sum().backward()
    assert all(p.grad.dtype is taper.float32 for p in layer.parameters())
