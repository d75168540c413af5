"""Operands on a device and in main memory together: an error that names both, or a number that is moved."""

import pytest

import taper
from taper.nn import functional as F


def pairs():
    """Functions of two operands that must not be on different devices."""
    numbers = taper.arange(6.0).reshape(2, 3)
    square = numbers[:, :2]
    return {
        "index": (lambda x, i: x[i], numbers, taper.tensor([1])),
        "index with a mask": (lambda x, m: x[m], numbers, numbers > 2),
        "index_put": (lambda x, i: x.clone().index_put_((i,), x[0]), numbers, taper.tensor([1])),
        "cat": (lambda x, y: taper.cat([x, y]), numbers, numbers),
        "stack": (lambda x, y: taper.stack([x, y]), numbers, numbers),
        "linalg.solve": (taper.linalg.solve, square + 1, square),
        "layer_norm of no rows": (lambda x, w: F.layer_norm(x, (3,), w), numbers[:0], numbers[0]),
        "group_norm of no rows": (lambda x, b: F.group_norm(x, 1, None, b), numbers[:0], numbers[0]),
        "grad": (lambda x, y: setattr(x.requires_grad_(), "grad", y), numbers.clone(), numbers),
    }


@pytest.mark.parametrize("name", pairs())
def test_operands_on_two_devices_raise(device, name):
    function, x, y = pairs()[name]
    with pytest.raises(taper.DeviceError, match="cpu.*cuda:0|cuda:0.*cpu|main memory"):
        function(x, y.cuda())
    if "index" not in name:  # an index of main memory serves on every device
        with pytest.raises(taper.DeviceError, match="cpu.*cuda:0|cuda:0.*cpu"):
            function(x.cuda(), y)


def test_indices_of_main_memory_serve_on_a_device(device):
    x = taper.arange(6.0).reshape(2, 3)
    index, mask = taper.tensor([1, 0]), x > 2
    assert taper.equal(x.cuda()[index].cpu(), x[index]) and taper.equal(x.cuda()[mask].cpu(), x[mask])


def test_a_number_on_another_device_is_written(device):
    for x in (taper.zeros(3), taper.zeros(3, device="cuda")):
        for number in (taper.tensor(2.0), taper.tensor(2.0, device="cuda")):
            x[taper.tensor([0, 2])] = number
            assert x.tolist() == [2, 0, 2]


def test_a_recurrent_layer_elsewhere_than_its_input_raises(device):
    x, state = taper.zeros(2, 1, 3), (taper.zeros(1, 1, 4), taper.zeros(1, 1, 4))
    for layer, hx in ((taper.nn.LSTM(3, 4), None), (taper.nn.LSTM(3, 4).cuda(), state)):
        with pytest.raises(taper.DeviceError, match="expected it on cuda:0 like the input"):
            layer(x.cuda(), hx)


def test_normal_takes_a_number_beside_a_tensor(device):
    many = taper.full((3,), 2.0)
    for mean, std in ((many, 0.0), (2.0, taper.zeros(3)), (taper.tensor(2.0), taper.zeros(3))):
        here = [value.cuda() if isinstance(value, taper.Tensor) else value for value in (mean, std)]
        drawn = taper.normal(*here)
        assert drawn.is_cuda and taper.equal(drawn.cpu(), many)
    assert taper.normal(taper.tensor(2.0).cuda(), 0.0).is_cuda


def test_tensors_like_one_on_a_device_are_there(device):
    x = taper.zeros(2, 3, device="cuda")
    assert x.new_empty_strided((2, 2), (1, 2)).is_cuda and x.new_zeros(2).is_cuda
