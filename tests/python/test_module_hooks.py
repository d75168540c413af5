"""Hooks that every module calls, hooks after errors, backward hooks, hooks on saved tensors."""

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn.modules import module as hooks


def test_hooks_of_all_modules_are_called_until_removed():
    calls = []
    handles = [
        hooks.register_module_forward_pre_hook(lambda m, args: calls.append(("pre", type(m).__name__))),
        hooks.register_module_forward_hook(lambda m, args, out: calls.append(("post", type(m).__name__))),
        hooks.register_module_full_backward_hook(lambda m, gi, go: calls.append(("back", type(m).__name__))),
    ]
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net(taper.ones(1, 2, requires_grad=True)).sum().backward()
    for handle in handles:
        handle.remove()
    net(taper.ones(1, 2))
    order = ["Sequential", "Linear", "ReLU"]
    assert [name for kind, name in calls if kind == "pre"] == order
    assert [name for kind, name in calls if kind == "post"] == ["Linear", "ReLU", "Sequential"]
    assert [name for kind, name in calls if kind == "back"] == ["ReLU", "Linear", "Sequential"]


def test_always_called_hooks_run_after_an_error_once():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError("lost")

    calls = []
    module = Failing()
    module.register_forward_hook(lambda m, args, out: calls.append("usual"))
    module.register_forward_hook(lambda m, args, out: calls.append(("always", out)), always_call=True)
    with pytest.raises(KeyError, match="lost"):
        module(1)
    assert calls == [("always", None)]
    module.register_forward_hook(lambda m, args, out: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(KeyError):
        module(1)


def test_errors_name_the_module_also_where_hooks_are():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(4, 1))
    net[2].register_forward_hook(lambda m, args, out: None)
    with pytest.raises(taper.ShapeError, match=r"\(in Sequential\.2 \(Linear\)\)"):
        net(taper.ones(1, 2))


def test_backward_hooks_see_one_gradient_per_argument():
    class Scaled(nn.Module):
        def forward(self, x, factor):
            return x * factor

    seen = []
    module = Scaled()
    module.register_full_backward_pre_hook(lambda m, go: (go[0] * 10,))
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = taper.ones(2, requires_grad=True)
    module(x, 3.0).sum().backward()
    ((inputs, outputs),) = seen
    assert len(inputs) == 2 and inputs[0].tolist() == [30, 30] and inputs[1] is None
    assert outputs[0].tolist() == [10, 10] and x.grad.tolist() == [30, 30]


def test_backward_hook_without_gradients_of_inputs():
    seen = []
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    layer(taper.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_saved_tensors_pass_through_hooks():
    packed = []

    def pack(tensor):
        packed.append(tensor.shape)
        return tensor.numpy().copy()

    x = taper.ones(3, requires_grad=True)
    with taper.autograd.graph.saved_tensors_hooks(pack, taper.from_numpy):
        y = (x * 2).exp()
        z = (y * y).sum()
    assert packed and all(shape == (3,) for shape in packed)
    # d/dx exp(4x) = 4 exp(4x), and once more.
    (gradient,) = taper.autograd.grad(z, x, create_graph=True)
    np.testing.assert_allclose(gradient.tolist(), 4 * np.exp([4.0] * 3), rtol=1e-6)
    (second,) = taper.autograd.grad(gradient.sum(), x)
    np.testing.assert_allclose(second.tolist(), 16 * np.exp([4.0] * 3), rtol=1e-6)


def test_saved_tensor_hooks_can_be_refused_and_checked():
    refused = taper.autograd.graph.disable_saved_tensors_hooks("not here")
    with refused, pytest.raises(RuntimeError, match="not here"), taper.autograd.graph.save_on_cpu():
        pass
    x = taper.ones(2, requires_grad=True)
    with taper.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t.long()):
        y = (x * 1).exp().sum()
    with pytest.raises(taper.AutogradError, match="unpack_hook gave back a tensor of"):
        y.backward()


def test_norms_without_bias():
    for layer in (nn.BatchNorm1d(3, bias=False), nn.GroupNorm(1, 3, bias=False), nn.LayerNorm(3, bias=False)):
        assert layer.bias is None and layer.weight is not None and "bias=False" in repr(layer)
        assert layer(taper.ones(2, 3)).shape == (2, 3)


def test_set_submodule():
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 2)))
    net.set_submodule("0.0", nn.Identity())
    assert isinstance(net[0][0], nn.Identity)
    with pytest.raises(AttributeError):
        net.set_submodule("0.missing", nn.Identity(), strict=True)


def test_state_dict_post_hook_changes_in_place():
    layer = nn.Linear(1, 1)
    handle = layer.register_state_dict_post_hook(lambda module, state, prefix, meta: state.clear())
    assert not layer.state_dict()
    handle.remove()
    layer.register_state_dict_post_hook(lambda module, state, prefix, meta: state.pop(prefix + "bias"))
    with pytest.raises(RuntimeError, match="must return None"):
        layer.state_dict()
