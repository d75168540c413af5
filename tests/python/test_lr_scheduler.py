"""Learning rates after each epoch, against the closed forms."""

import math

import numpy as np
import pytest

import taper
from taper import nn, optim
from taper.optim import lr_scheduler as schedules

CASES = {
    "StepLR": ((2, 0.5), lambda e: 0.5 ** (e // 2)),
    "MultiStepLR": (([1, 3], 0.5), lambda e: 0.5 ** ((e >= 1) + (e >= 3))),
    "ConstantLR": ((0.5, 3), lambda e: 0.5 if e < 3 else 1),
    "LinearLR": ((0.25, 1.0, 4), lambda e: 0.25 + 0.75 * min(e, 4) / 4),
    "ExponentialLR": ((0.9,), lambda e: 0.9**e),
    "CosineAnnealingLR": ((5,), lambda e: (1 + math.cos(math.pi * e / 5)) / 2),
    "PolynomialLR": ((4, 2.0), lambda e: (1 - min(e, 4) / 4) ** 2),
    "CosineAnnealingWarmRestarts": ((3,), lambda e: (1 + math.cos(math.pi * (e % 3) / 3)) / 2),
    "LambdaLR": ((lambda e: 1 / (1 + e),), lambda e: 1 / (1 + e)),
    "MultiplicativeLR": ((lambda e: 0.8,), lambda e: 0.8**e),
}


def optimizer(lr=0.1):
    return optim.SGD([nn.Parameter(taper.ones(1))], lr=lr, momentum=0.9)


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    arguments, factor = CASES[name]
    target = optimizer()
    schedule = getattr(schedules, name)(target, *arguments)
    for epoch in range(8):
        np.testing.assert_allclose(target.param_groups[0]["lr"], 0.1 * factor(epoch), atol=1e-12)
        target.step()
        schedule.step()


def test_one_cycle():
    target = optimizer()
    schedule = schedules.OneCycleLR(target, 1.0, 10)
    rates = [target.param_groups[0]["lr"]]
    for _ in range(9):
        target.step()
        schedule.step()
        rates.append(target.param_groups[0]["lr"])
    assert max(rates) == rates[2] == 1.0
    np.testing.assert_allclose([rates[0], rates[-1]], [1 / 25, 1 / 25 / 1e4])


def test_plateau():
    target = optimizer()
    schedule = schedules.ReduceLROnPlateau(target, patience=1)
    for _ in range(3):
        schedule.step(1.0)
    assert target.param_groups[0]["lr"] == pytest.approx(0.01)


def test_state_dict_continues():
    target = optimizer()
    schedule = schedules.StepLR(target, 2)
    for _ in range(3):
        target.step()
        schedule.step()
    other = schedules.StepLR(optimizer(), 2)
    other.load_state_dict(schedule.state_dict())
    assert other.last_epoch == 3 and other.get_last_lr() == schedule.get_last_lr()


def test_plateau_knows_its_cooldown():
    target = taper.optim.SGD([taper.nn.Parameter(taper.ones(1))], lr=1.0)
    schedule = taper.optim.lr_scheduler.ReduceLROnPlateau(target, patience=0, cooldown=2)
    seen = []
    for loss in (1.0, 2.0, 2.0, 2.0):
        schedule.step(loss)
        seen.append(schedule.in_cooldown)
    assert seen == [False, True, True, False]
    with pytest.raises(ValueError, match="expected 1 min_lrs, got 2"):
        taper.optim.lr_scheduler.ReduceLROnPlateau(target, min_lr=[0.1, 0.2])
