"""Lazy layers become ordinary ones with their first input."""

import copy

import pytest

import taper
from taper import nn
from taper.nn.parameter import UninitializedParameter, is_lazy


def network():
    return nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))


def test_shapes_come_from_the_first_input():
    model = network()
    optimizer = taper.optim.SGD(model.parameters(), lr=0.1)
    assert all(map(is_lazy, model.parameters())) and repr(model[3].weight) == "<UninitializedParameter>"
    before = list(model.parameters())
    model(taper.ones(2, 3, 4, 4)).sum().backward()
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.BatchNorm2d, nn.Flatten, nn.Linear]
    assert model[0].weight.shape == (4, 3, 3, 3) and model[3].in_features == 64 and model[1].num_features == 4
    assert all(a is b and type(a) is nn.Parameter for a, b in zip(before, model.parameters()))
    optimizer.step()
    assert model[3].bias.grad.tolist() == [2] * 5 and model[1].num_batches_tracked.item() == 1


@pytest.mark.parametrize(
    "make, shape, weight",
    [
        (lambda: nn.LazyConv1d(4, 3), (1, 2, 5), (4, 2, 3)),
        (lambda: nn.LazyConv2d(4, 3), (2, 5, 5), (4, 2, 3, 3)),
        (lambda: nn.LazyConv3d(4, 3), (1, 2, 5, 5, 5), (4, 2, 3, 3, 3)),
        (lambda: nn.LazyConvTranspose1d(4, 3), (1, 2, 5), (2, 4, 3)),
        (lambda: nn.LazyConvTranspose2d(4, 3, groups=2), (1, 2, 5, 5), (2, 2, 3, 3)),
        (lambda: nn.LazyConvTranspose3d(4, 3), (1, 2, 3, 3, 3), (2, 4, 3, 3, 3)),
        (lambda: nn.LazyBatchNorm1d(), (2, 3), (3,)),
        (lambda: nn.LazyBatchNorm3d(), (2, 3, 2, 2, 2), (3,)),
        (lambda: nn.LazyInstanceNorm1d(), (2, 3, 4), (3,)),
        (lambda: nn.LazyInstanceNorm2d(), (2, 3, 4, 4), (3,)),
        (lambda: nn.LazyInstanceNorm3d(), (2, 3, 2, 2, 2), (3,)),
        (lambda: nn.LazyLinear(4, bias=False), (2, 3), (4, 3)),
    ],
)
def test_every_lazy_layer(make, shape, weight):
    layer = make()
    name = type(layer).__name__
    layer(taper.ones(*shape))
    assert type(layer).__name__ == name[4:] and layer.weight.shape == weight and not layer._forward_pre_hooks


def test_checkpoints_load_before_the_first_input():
    source, target = network(), network()
    source(taper.ones(2, 3, 4, 4))
    target.load_state_dict(source.state_dict())
    x = taper.rand(2, 3, 4, 4)
    assert taper.equal(target.eval()(x), source.eval()(x)) and type(target[3]) is nn.Linear
    with pytest.raises(RuntimeError, match="uninitialized"):
        nn.Linear(2, 5).load_state_dict(nn.LazyLinear(5).state_dict())


def test_uninitialized_parameters_have_no_shape():
    parameter = UninitializedParameter()
    with pytest.raises(RuntimeError, match="shape of an uninitialized"):
        parameter.shape
    assert is_lazy(copy.deepcopy(parameter))
    parameter.materialize((2, 3))
    assert parameter.shape == (2, 3) and not is_lazy(parameter) and parameter.requires_grad


def test_inputs_that_do_not_fit():
    with pytest.raises(RuntimeError, match="Expected 3D"):
        nn.LazyConv2d(2, 3)(taper.ones(1, 2))


def test_conversion_before_the_first_input():
    layer = nn.LazyLinear(2).double()
    assert layer(taper.ones(1, 3, dtype=taper.float64)).dtype is taper.float64
