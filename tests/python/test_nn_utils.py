"""Norms, parametrizations, pruning, fusion, functional calls, packed sequences and PyTorch's import paths."""

import copy

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn import utils
from taper.nn.utils import parametrizations, parametrize, prune

WEIGHT = [[3.0, 4.0, 0.0], [0.0, 5.0, 12.0]]


def layer(weight=None):
    result = nn.Linear(3, 2).double()
    result.weight.data = taper.tensor(WEIGHT if weight is None else weight, dtype=taper.float64)
    return result


def test_weight_norm_separates_length_and_direction():
    old, new = utils.weight_norm(layer()), parametrizations.weight_norm(layer())
    assert (
        old.weight_g.flatten().tolist() == new.parametrizations.weight.original0.flatten().tolist() == [5, 13]
    )
    with taper.no_grad():
        old.weight_g.mul_(2)
    old(taper.ones(1, 3, dtype=taper.float64)).sum().backward()
    assert taper.allclose(old.weight, 2 * layer().weight)
    # Along the direction itself the length-free weight has no gradient.
    assert np.allclose((old.weight_v.grad * old.weight_v).sum(1).tolist(), 0)
    utils.remove_weight_norm(old)
    assert sorted(old.state_dict()) == ["bias", "weight"] and isinstance(old.weight, nn.Parameter)


def test_checkpoints_of_the_old_weight_norm_load_into_the_new():
    old, new = utils.weight_norm(layer()), parametrizations.weight_norm(nn.Linear(3, 2).double())
    new.load_state_dict(old.state_dict())
    assert taper.allclose(new.weight, old.weight)


@pytest.mark.parametrize("spectral", [utils.spectral_norm, parametrizations.spectral_norm])
def test_spectral_norm_divides_by_the_largest_singular_value(spectral):
    module = spectral(layer(), n_power_iterations=100)
    module(taper.ones(1, 3, dtype=taper.float64)).sum().backward()
    expected = np.array(WEIGHT) / np.linalg.svd(WEIGHT, compute_uv=False)[0]
    np.testing.assert_allclose(module.weight.detach().numpy(), expected, rtol=1e-9)
    module.eval()
    assert module.weight.tolist() == module.weight.tolist()


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, x):
        return x.triu()


def test_parametrization_computes_and_takes_assignments():
    module = nn.Linear(3, 3)
    parametrize.register_parametrization(module, "weight", Symmetric())
    assert taper.equal(module.weight, module.weight.T)
    assert isinstance(module, nn.Linear) and type(module).__name__ == "ParametrizedLinear"
    value = taper.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    module.weight = value
    assert taper.equal(module.weight, value) and taper.equal(copy.deepcopy(module).weight, value)
    with parametrize.cached():
        assert module.weight is module.weight
    assert module.weight is not module.weight
    parametrize.remove_parametrizations(module, "weight")
    assert type(module) is nn.Linear and taper.equal(module.weight, value)
    assert [name for name, _ in module.named_parameters()] == ["bias", "weight"]


def test_parametrization_that_changes_the_shape_is_refused():
    class Cut(nn.Module):
        def forward(self, x):
            return x[:1]

    module = layer()
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(module, "weight", Cut())
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(module, "other", Symmetric())
    assert module.weight.tolist() == WEIGHT


def test_l1_pruning_takes_the_smallest_and_is_applied_to_gradients():
    module = layer([[1.0, -2, 3], [-4, 5, -6]])
    prune.l1_unstructured(module, "weight", 0.5)
    assert module.weight.tolist() == [[0, 0, 0], [-4, 5, -6]] and prune.is_pruned(module)
    module(taper.ones(1, 3, dtype=taper.float64)).sum().backward()
    assert module.weight_orig.grad.tolist() == [[0, 0, 0], [1, 1, 1]]
    prune.l1_unstructured(module, "weight", 1)
    assert module.weight.tolist() == [[0, 0, 0], [0, 5, -6]]
    prune.remove(module, "weight")
    assert sorted(module.state_dict()) == ["bias", "weight"] and not prune.is_pruned(module)
    assert module.weight.tolist() == [[0, 0, 0], [0, 5, -6]]


def test_structured_and_global_pruning():
    module = layer([[1.0, -2, 3], [-4, 5, -6]])
    prune.ln_structured(module, "weight", 1, n=2, dim=1)
    assert module.weight.tolist() == [[0, -2, 3], [0, 5, -6]]
    first, second = layer([[1.0, 9, 2], [9, 9, 9]]), layer([[9.0, 3, 9], [9, 9, 4]])
    prune.global_unstructured([(first, "weight"), (second, "weight")], prune.L1Unstructured, amount=3)
    assert first.weight.tolist() == [[0, 9, 0], [9, 9, 9]] and second.weight.tolist() == [
        [9, 0, 9],
        [9, 9, 4],
    ]
    prune.random_unstructured(second, "weight", 2)
    assert second.weight_mask.sum().item() == 3


@pytest.mark.parametrize(
    "amount, error", [(1.5, ValueError), (70, ValueError), ("a", TypeError), (-1, ValueError)]
)
def test_impossible_amounts(amount, error):
    with pytest.raises(error, match="amount"):
        prune.l1_unstructured(layer(), "weight", amount)


def test_fused_layers_do_what_both_did():
    taper.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 2, bias=False).eval(), nn.BatchNorm2d(3).eval()
    norm.running_mean.uniform_()
    norm.running_var.uniform_(1, 2)
    x = taper.randn(1, 2, 4, 4)
    assert taper.allclose(utils.fuse_conv_bn_eval(conv, norm)(x), norm(conv(x)), atol=1e-6)
    with pytest.raises(AssertionError, match="eval"):
        utils.fuse_conv_bn_eval(conv.train(), norm)


def test_functional_call_uses_and_differentiates_other_tensors():
    module, weight = layer(), taper.ones(2, 3, dtype=taper.float64, requires_grad=True)
    x = taper.ones(1, 3, dtype=taper.float64)
    taper.func.functional_call(module, {"weight": weight}, (x,)).sum().backward()
    assert weight.grad.tolist() == [[1, 1, 1], [1, 1, 1]] and module.weight.grad is None
    assert module.weight.tolist() == WEIGHT
    tied = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    tied[1].weight = tied[0].weight
    assert (
        taper.func.functional_call(tied, {"0.weight": taper.full((1, 1), 3.0)}, taper.ones(1, 1)).item() == 9
    )


def test_clipping_with_a_known_norm():
    p = nn.Parameter(taper.zeros(2))
    p.grad = taper.tensor([3.0, 4.0])
    assert utils.get_total_norm([p.grad]).item() == 5
    utils.clip_grads_with_norm_([p], 1.0, taper.tensor(10.0))
    assert np.allclose(p.grad.tolist(), [0.3, 0.4])


def test_packed_sequences_come_back():
    sequences = [taper.tensor([1.0]), taper.tensor([2.0, 3, 4]), taper.tensor([5.0, 6])]
    packed = utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    assert packed.data.tolist() == [2, 5, 1, 3, 6, 4] and packed.batch_sizes.tolist() == [3, 2, 1]
    assert [s.tolist() for s in utils.rnn.unpack_sequence(packed)] == [[1], [2, 3, 4], [5, 6]]
    assert packed.double().data.dtype is taper.float64 and packed.to(taper.float32) is packed
    padded = utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=-1, padding_side="left")
    assert padded.tolist() == [[-1, -1, 1], [2, 3, 4], [-1, 5, 6]]


def test_data_parallel_wraps_a_module():
    module = layer()
    wrapped = nn.DataParallel(module)
    x = taper.ones(1, 3, dtype=taper.float64)
    assert wrapped.module is module and taper.equal(wrapped(x), module(x))
    assert sorted(wrapped.state_dict()) == ["module.bias", "module.weight"]


def test_skipping_initialization_draws_no_random_numbers():
    taper.manual_seed(3)
    utils.skip_init(nn.Linear, 5, 5)
    after = taper.rand(1).item()
    taper.manual_seed(3)
    assert after == taper.rand(1).item()


def test_pytorch_import_paths():
    from taper.nn.modules import Linear, Module
    from taper.nn.modules.activation import MultiheadAttention
    from taper.nn.modules.batchnorm import BatchNorm1d, _BatchNorm, _NormBase
    from taper.nn.modules.conv import Conv2d, _ConvNd
    from taper.nn.modules.instancenorm import _InstanceNorm
    from taper.nn.modules.loss import _Loss
    from taper.nn.modules.utils import _ntuple, _pair, consume_prefix_in_state_dict_if_present

    assert (Linear, Module, MultiheadAttention) == (nn.Linear, nn.Module, nn.MultiheadAttention)
    assert issubclass(BatchNorm1d, _BatchNorm) and issubclass(Conv2d, _ConvNd)
    assert issubclass(_InstanceNorm, _NormBase) and not issubclass(_InstanceNorm, _BatchNorm)
    assert issubclass(nn.MSELoss, _Loss) and _pair(2) == (2, 2) and _ntuple(4)([1, 2]) == (1, 2)
    state = {"module.weight": 1}
    consume_prefix_in_state_dict_if_present(state, "module.")
    assert state == {"weight": 1}
    with pytest.raises(AttributeError):
        nn.modules.conv.Missing


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_weights_stay_so_and_can_be_assigned(shape, orthogonal_map):
    taper.manual_seed(0)
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(*shape[::-1]), orthogonal_map=orthogonal_map)
    optimizer = taper.optim.SGD(layer.parameters(), lr=0.1)

    def gap():
        w = layer.weight.detach().numpy()
        return np.abs((w.T @ w if shape[0] >= shape[1] else w @ w.T) - np.eye(3)).max()

    assert gap() < 1e-6
    before = layer.weight.tolist()
    layer.weight.square().cumsum(0).sum().backward()
    optimizer.step()
    assert gap() < 2e-6 and layer.weight.tolist() != before
    wanted = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 3)))[0].astype(np.float32)
    wanted = {(3, 3): np.eye(3, dtype=np.float32), (5, 3): wanted, (3, 5): wanted.T}[shape]
    layer.weight = taper.tensor(wanted)
    np.testing.assert_allclose(layer.weight.tolist(), wanted, atol=1e-6)
