"""The meta device: tensors with sizes and no elements; and the device of new tensors."""

import pytest

import taper
from taper import nn


def test_operations_on_meta_give_shapes_and_dtypes():
    x, w = taper.randn(2, 3, device="meta"), taper.zeros(3, 4, device="meta")
    assert (x @ w).shape == (2, 4) and (x @ w).device == taper.device("meta") and x.is_meta
    assert (x > 0).dtype is taper.bool and x.half().dtype is taper.float16
    assert x.sort(1)[1].dtype is taper.int64 and x[1:, [0, 2, 2]].shape == (1, 3)
    x.normal_().mul_(2)[0] = 3
    assert x.T.contiguous().stride() == (2, 1) and x.data_ptr() == 0
    assert taper.normal(x, x.abs()).shape == (2, 3)
    assert repr(x) == "tensor(..., device='meta', size=(2, 3))"


def test_a_model_on_meta_computes_shapes_forward_and_backward():
    with taper.device("meta"):
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
        )
        attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        recurrent = nn.LSTM(5, 4)
    for module in (model, attention, recurrent):
        assert {p.device.type for p in module.parameters()} == {"meta"}
    assert model(taper.empty(2, 3, 8, 8, device="meta")).shape == (2, 5)
    attention(taper.empty(2, 6, 8, device="meta")).sum().backward()
    assert attention.linear1.weight.grad.shape == (16, 8) and attention.linear1.weight.grad.is_meta


def test_a_model_made_on_meta_takes_weights_from_elsewhere():
    weights = {"weight": taper.ones(2, 3), "bias": taper.zeros(2)}
    for assign in (False, True):
        with taper.device("meta"):
            layer = nn.Linear(3, 2)
        if not assign:
            layer = layer.to_empty(device="cpu")
        layer.load_state_dict(weights, assign=assign)
        assert layer(taper.ones(1, 3)).tolist() == [[3, 3]]


def test_what_needs_elements_of_a_tensor_on_meta_says_so():
    x = taper.ones(3, device="meta")
    for question in (
        lambda: x.sum().item(),
        lambda: bool(x[0] > 0),
        x.tolist,
        x.nonzero,
        lambda: x.to("cpu"),
    ):
        with pytest.raises((taper.DeviceError, taper.NotImplementedError), match="meta"):
            question()
    with pytest.raises(taper.DeviceError, match="different devices"):
        x + taper.ones(3)
    assert (x + taper.tensor(2.0)).is_meta  # a number of the CPU goes with every device


def test_random_numbers_on_meta_take_none_from_the_generator():
    taper.manual_seed(0)
    expected = taper.rand(3)
    taper.manual_seed(0)
    taper.rand(5, device="meta")
    assert taper.equal(taper.rand(3), expected)


def test_new_tensors_go_to_the_default_device():
    with taper.device("meta"):
        with taper.device("cpu"):
            assert taper.zeros(1).device.type == "cpu"
        made = [taper.zeros(1), taper.arange(3), taper.rand(2), taper.tensor([1.0]), taper.eye(2)]
        assert [x.device.type for x in made] == ["meta"] * 5
        assert taper.zeros_like(taper.ones(2, device="cpu")).device.type == "cpu"
        assert taper.ones(1, device="cpu").device.type == "cpu"
    assert taper.ones(1).device.type == "cpu"
    taper.set_default_device("meta")
    try:
        assert taper.get_default_device() == taper.device("meta") and taper.ones(1).is_meta
    finally:
        taper.set_default_device(None)
    assert taper.get_default_device() == taper.device("cpu")
