"""How tensors and modules print."""

import math

import pytest

import taper
from taper import nn


@pytest.mark.parametrize(
    "value, text",
    [
        (lambda: taper.arange(6).reshape(2, 3), "tensor([[0, 1, 2],\n        [3, 4, 5]])"),
        (lambda: taper.tensor(1.5), "tensor(1.5000)"),
        (lambda: taper.tensor([]), "tensor([])"),
        (lambda: taper.tensor([True]), "tensor([True])"),
        (lambda: taper.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: taper.tensor([1e-8, 1.0]), "tensor([1.0000e-08, 1.0000e+00])"),
        (lambda: taper.tensor([math.nan, math.inf]), "tensor([nan, inf])"),
        # Only finite numbers count for the width.
        (lambda: taper.tensor([[0, -math.inf], [0, 0]]), "tensor([[0., -inf],\n        [0., 0.]])"),
        (lambda: taper.tensor([1.5, -math.inf]), "tensor([1.5000,   -inf])"),
        (lambda: taper.ones(2, dtype=taper.float64), "tensor([1., 1.], dtype=taper.float64)"),
        (lambda: taper.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: taper.zeros(2000), "tensor([0., 0., 0.,  ..., 0., 0., 0.])"),
        (lambda: nn.Parameter(taper.ones(1)), "Parameter containing:\ntensor([1.], requires_grad=True)"),
        (lambda: taper.Size([1, 2]), "taper.Size([1, 2])"),
        (lambda: taper.float32, "taper.float32"),
        (lambda: nn.Linear(2, 3), "Linear(in_features=2, out_features=3, bias=True)"),
        (lambda: nn.Sequential(nn.ReLU(), nn.Tanh()), "Sequential(\n  (0): ReLU()\n  (1): Tanh()\n)"),
    ],
)
def test_repr(value, text):
    assert repr(value()) == text


def test_format():
    assert f"{taper.tensor(1.2345):.2f}" == "1.23"
