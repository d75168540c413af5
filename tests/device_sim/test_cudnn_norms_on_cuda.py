"""Norms by cuDNN, which only `backends.cudnn.benchmark` asks for: the stand-in computes our descriptors."""

import subprocess
import sys
from collections import Counter

from test_cudnn_on_cuda import environment_of

PRELUDE = """
from conftest import Device  # before taper looks for a device
import taper
import taper.nn.functional as F

def batch_norm(x, w, b):
    mean, variance = taper.zeros(x.shape[1], device=x.device), taper.ones(x.shape[1], device=x.device)
    x = x.contiguous(memory_format=taper.channels_last)
    y = F.batch_norm(x, mean, variance, w, b, training=True, momentum=0.25, eps=0.125)
    return y, mean, variance

def layer_norm(x, w, b):
    return (F.layer_norm(x, x.shape[1:], w, b, eps=0.125),)

def rms_norm(x, w, b):
    return (F.rms_norm(x, x.shape[1:], w, eps=0.125),)

def numbers(shape, dtype, seed):
    return (taper.randn(shape, generator=taper.Generator().manual_seed(seed)) + 1).to(dtype)

def results(norm, device, shape, dtype, parameter_dtype):
    x, dy = (numbers(shape, dtype, seed).to(device) for seed in (1, 2))
    w, b = (numbers(shape[1:2], parameter_dtype, seed).to(device).requires_grad_() for seed in (3, 4))
    x.requires_grad_()
    y, *statistics = norm(x, w, b)
    y.backward(dy)
    return [y, *statistics, *(t.grad for t in (x, w, b) if t.grad is not None)]

def check(norm, shape, dtype=taper.float32, parameter_dtype=taper.float32):
    # Of what 16-bit types hold: as much as the CPU, which rounds in the same places, may differ by.
    tolerance = {taper.float32: 2e-5, taper.float64: 1e-12, taper.float16: 4e-3, taper.bfloat16: 3e-2}[dtype]
    ours = results(norm, "cuda", shape, dtype, parameter_dtype)
    cpu = results(norm, "cpu", shape, dtype, parameter_dtype)
    assert len(ours) == len(cpu)
    for got, expected in zip(ours, cpu):
        assert got.dtype == expected.dtype
        got, expected = got.detach().cpu().double(), expected.detach().double()
        assert ((got - expected).abs() <= tolerance * (1 + expected.abs().max())).all(), norm
"""


def run(script, environment):
    command = [sys.executable, "-c", PRELUDE + script + "\nassert Device().findings() == ''"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def executed(log):
    return Counter(log.read_text().splitlines()) if log.exists() else Counter()


def test_norms_by_cudnn(device, tmp_path):
    log = tmp_path / "executed"
    script = """
taper.backends.cudnn.benchmark = True
for dtype in (taper.float32, taper.float16, taper.bfloat16):
    for parameter_dtype in {taper.float32, dtype}:
        check(batch_norm, (3, 16, 2, 5), dtype, parameter_dtype)
        check(layer_norm, (6, 16), dtype, parameter_dtype)
        check(rms_norm, (6, 16), dtype, parameter_dtype)
"""
    run(script, environment_of(log) | {"DEVICE_SIM_CAPABILITY": "9"})
    # Five pairs of dtypes; and two runs to take the time when each of three dtypes is first met. Of the
    # engines the one whose results are the same every time.
    assert executed(log) == {"norm 3": 3 * (5 + 2 * 3), "norm_backward 3": 3 * (5 + 2 * 3)}


def test_norms_by_own_kernels(device, tmp_path):
    log = tmp_path / "executed"
    script = """
check(batch_norm, (3, 16, 2, 5))
cudnn = taper.backends.cudnn
with cudnn.flags(enabled=False, benchmark=True):
    check(batch_norm, (3, 16, 2, 5))
with cudnn.flags(enabled=True, benchmark=True, deterministic=True):
    check(batch_norm, (3, 16, 2, 5))
cudnn.benchmark = True
check(batch_norm, (3, 16, 2, 5), taper.float64, taper.float64)
check(batch_norm, (3, 12, 2, 5), taper.float16)  # rows of 24 bytes
check(layer_norm, (6, 16))  # on an older device
"""
    run(script, environment_of(log))
    assert not executed(log)


def test_cudnn_is_timed_against_own_kernels(device, tmp_path):
    log = tmp_path / "executed"
    script = """
taper.backends.cudnn.benchmark = True
for _ in range(2):
    check(batch_norm, (3, 16, 2, 5))
"""
    run(script, environment_of(log) | {"DEVICE_SIM_CUDNN_SLOW": "1"})
    assert executed(log) == {"norm 3": 2, "norm_backward 3": 2}
