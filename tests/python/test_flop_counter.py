"""Counting of floating point operations; the numbers are PyTorch 2.15's."""

import pytest

import taper
from taper import nn
from taper.utils.flop_counter import FlopCounterMode


def flops_of(call):
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "call, flops",
    [
        (lambda: taper.bmm(taper.ones(2, 3, 4), taper.ones(2, 4, 5)), 240),
        (lambda: taper.ones(3, 4) @ taper.ones(4), 0),
        (lambda: taper.addmm(taper.ones(5), taper.ones(2, 3), taper.ones(3, 5)), 60),
        (lambda: nn.Conv2d(3, 6, 3, padding=1)(taper.ones(2, 3, 8, 8)), 41472),
        (lambda: nn.Conv2d(3, 6, 3, padding=1)(taper.ones(2, 3, 8, 8)).sum().backward(), 82944),
        (lambda: nn.ConvTranspose2d(3, 6, 3)(taper.ones(2, 3, 8, 8)), 41472),
        (
            lambda: nn.functional.scaled_dot_product_attention(
                taper.ones(2, 2, 6, 4), taper.ones(2, 2, 7, 4), taper.ones(2, 2, 7, 4)
            ),
            2688,
        ),
    ],
)
def test_operations_are_counted(call, flops):
    assert flops_of(call) == flops


def test_counts_are_by_module_and_include_backward(capsys):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 2)))
    with FlopCounterMode(display=True) as counter:
        model(taper.ones(5, 4)).sum().backward()
    by_module = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    assert by_module == {
        "Global": 1120,
        "Sequential": 1120,
        "Sequential.0": 640,
        "Sequential.2": 480,
        "Sequential.2.0": 480,
    }
    assert "Sequential.2 " in capsys.readouterr().out
    model(taper.ones(5, 4))
    assert counter.get_total_flops() == 1120
