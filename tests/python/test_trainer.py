"""The same training in C++ (tests/cpp/programs/trainer.cc) and in Python: equal losses, to the bit, and checkpoints that
each language takes over from the other."""

import struct
import subprocess
from pathlib import Path

import pytest

import taper
from taper import nn, optim
from taper.nn import functional as F
from taper.optim import lr_scheduler
from taper.utils.data import DataLoader, TensorDataset

TRAINER = Path(__file__).resolve().parents[2] / "build/tests/trainer"
OPTIMIZERS = {
    "SGD": {"lr": 0.05, "momentum": 0.9},
    "Adam": {"lr": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.01},
    "RMSprop": {"lr": 0.01, "momentum": 0.5, "centered": True},
    "Adagrad": {"lr": 0.05},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {"lr": 0.01},
    "ASGD": {"t0": 30},
    "Rprop": {"lr": 0.001},
    "Adafactor": {},
}
pytestmark = pytest.mark.skipif(not TRAINER.exists(), reason="the C++ tests are not built")


def in_python(name, source, target, steps):
    checkpoint = taper.load(source)
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))
    net.load_state_dict(checkpoint["model"])
    optimizer = getattr(optim, name)(net.parameters(), **OPTIMIZERS[name])
    schedule = lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, 0.25, 1.0, 8), lr_scheduler.CosineAnnealingLR(optimizer, 120)],
        [8],
    )
    if "optimizer" in checkpoint:
        optimizer.load_state_dict(checkpoint["optimizer"])
        schedule.load_state_dict(checkpoint["schedule"])
    loader = DataLoader(
        TensorDataset(checkpoint["x"], checkpoint["y"]), batch_size=8, shuffle=True, drop_last=True
    )
    taper.set_rng_state(checkpoint["random"])
    bits, step = [], 0
    while step < steps:
        for x, y in loader:
            if step == steps:
                break
            step += 1
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            schedule.step()
            bits.append(struct.pack(">f", loss.item()).hex())
    result = {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "x": checkpoint["x"],
        "y": checkpoint["y"],
        "random": taper.get_rng_state(),
    }
    taper.save(result, target)
    return bits


def in_cpp(name, source, target, steps):
    command = [str(TRAINER), name, str(source), str(target), str(steps)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_are_equal_and_checkpoints_change_hands(name, tmp_path):
    taper.manual_seed(11)
    x = taper.randn(40, 6)
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))
    start, first, second = (tmp_path / f"{part}.safetensors" for part in ("start", "first", "second"))
    taper.save(
        {"model": net.state_dict(), "x": x, "y": x[:, :3].argmax(1), "random": taper.get_rng_state()}, start
    )
    expected = in_python(name, start, tmp_path / "whole.safetensors", 100)
    assert in_cpp(name, start, tmp_path / "other.safetensors", 100) == expected
    assert len(set(expected)) > 90
    # Epochs have five steps, so that fifty end one.
    half = in_python(name, start, first, 50)
    assert half + in_cpp(name, first, second, 50) == expected
    half = in_cpp(name, start, first, 50)
    assert half + in_python(name, first, second, 50) == expected
