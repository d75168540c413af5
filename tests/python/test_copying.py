"""Copies and pickles of tensors keep what shares memory together."""

import copy
import os
import pickle

import pytest

import taper
from taper import nn

WAYS = [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


@pytest.mark.parametrize("way", WAYS, ids=["deepcopy", "pickle"])
def test_views_of_one_memory_stay_so(way):
    x = taper.arange(6.0)
    made = way({"x": x, "row": x.view(2, 3)[1], "turned": x.view(2, 3).t()})
    made["x"].zero_()
    assert made["row"].tolist() == [0, 0, 0] and made["turned"].sum() == 0
    assert made["turned"].stride() == (1, 3) and made["row"].storage_offset() == 3
    assert x.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("way", WAYS, ids=["deepcopy", "pickle"])
def test_tied_parameters_stay_tied(way):
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    net[1].weight = net[0].weight
    made = way(net)
    assert made[1].weight is made[0].weight and type(made[0].weight) is nn.Parameter
    assert made[0].weight is not net[0].weight and len(list(made.parameters())) == 1


@pytest.mark.parametrize("way", WAYS, ids=["deepcopy", "pickle"])
def test_optimizer_copied_with_its_model_steps_the_copy(way):
    net = nn.Linear(2, 1)
    optimizer = taper.optim.Adam(net.parameters(), lr=0.1)
    net(taper.ones(1, 2)).sum().backward()
    optimizer.step()
    made, own = way((net, optimizer))
    assert own.param_groups[0]["params"][0] is made.weight and made.weight in own.state
    before = net.weight.tolist()
    made(taper.ones(1, 2)).sum().backward()
    own.step()
    assert net.weight.tolist() == before and made.weight.tolist() != before


@pytest.mark.parametrize("dtype", [taper.bfloat16, taper.complex64, taper.bool, taper.int8, taper.float64])
def test_every_dtype_is_pickled(dtype):
    x = taper.tensor([[1, 0], [3, 4]]).to(dtype)
    made = pickle.loads(pickle.dumps(x))
    assert made.dtype is dtype and made.shape == x.shape and bool((made == x).all())


def test_flags_gradients_and_attributes():
    x = taper.ones(2, requires_grad=True)
    x.grad = taper.full((2,), 3.0)
    made = copy.deepcopy(x)
    assert made.requires_grad and made.grad.tolist() == [3, 3] and made.grad is not x.grad

    assert pickle.loads(pickle.dumps(x)).requires_grad
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


class Named(taper.Tensor):
    pass


@pytest.mark.parametrize("way", WAYS, ids=["deepcopy", "pickle"])
def test_subclasses_keep_class_and_attributes(way):
    x = taper.ones(2).as_subclass(Named)
    x.label = ["a"]
    made = way(x)
    assert type(made) is Named and made.label == ["a"] and made.label is not x.label


def test_storage_is_one_object_for_all_views():
    x = taper.zeros(4)
    storage = x.untyped_storage()
    assert storage is x[1:].untyped_storage() and storage.nbytes() == 16
    assert storage != x.clone().untyped_storage() and storage.data_ptr() == x.data_ptr()


def test_forked_processes_share_moved_memory():
    x = taper.zeros(3)
    assert not x.is_shared() and x.share_memory_() is x and x.is_shared()
    child = os.fork()
    if child == 0:
        x.add_(1)
        os._exit(0)
    os.waitpid(child, 0)
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_operations_are_pickled_by_reference(way):
    for operation in (
        taper.relu,
        nn.functional.relu,
        nn.functional.gelu,
        taper.linalg.cholesky,
        taper.special.erf,
        taper.Tensor.add,
    ):
        assert way(operation) is operation
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation="gelu").eval()
    x = taper.ones(3, 1, 4)
    assert taper.equal(way(layer)(x), layer(x))
