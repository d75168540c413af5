"""Convolutions and attention by cuDNN: a stand-in that reads our descriptors independently executes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIBRARIES

HERE = Path(__file__).parent


def environment_of(log):
    """In which the stand-in is used and tells what it runs."""
    library = LIBRARIES / "libcudnn.so.9"
    if not library.exists():
        pytest.skip("the stand-in of cuDNN is not built: its headers are missing")
    return os.environ | {
        "TAPER_CUDNN_LIBRARY": str(library),
        "DEVICE_SIM_CUDNN_LOG": str(log),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }


def run_tests(file, log, *options):
    """Runs a file of this folder in a process that loads the stand-in."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(HERE / file)]
    done = subprocess.run(command, env=environment_of(log), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_convolutions_by_cudnn(device, tmp_path):
    log = tmp_path / "executed"
    run_tests("test_networks_on_cuda.py", log, "-k", "convolution or gradient_of_a_weight")
    passes, engines = zip(*(line.split() for line in log.read_text().splitlines()), strict=True)
    # Biases are added in cuDNN's kernel.
    assert {"forward", "forward+pointwise", "data", "filter"} == set(passes) and len(passes) > 60
    # That of tensor cores is for 16-bit types and float64 only, as TF32 is off in these tests.
    assert {"1", "2"} == set(engines)


def test_attention_by_cudnn(device, tmp_path):
    run_tests("attention_by_cudnn.py", tmp_path / "executed")


CHOICES = """
import sys
from conftest import RUNTIME  # before taper looks for a device
import numpy as np
import taper
import taper.nn.functional as F

def tf32(x):
    bits = (x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return taper.tensor(bits.view(np.float32)).double()

random = np.random.default_rng(0)
x, w = (random.standard_normal(s).astype(np.float32) for s in ((1, 3, 6, 5), (4, 3, 2, 2)))
exact = F.conv2d(taper.tensor(x).double(), taper.tensor(w).double())
short = F.conv2d(tf32(x), tf32(w))

def check(expected):
    y = F.conv2d(taper.tensor(x).cuda(), taper.tensor(w).cuda())
    assert (y.cpu().double() - expected).abs().max() < 1e-5

cudnn = taper.backends.cudnn
assert cudnn.version() == 91900 and cudnn.is_available()
assert (cudnn.enabled, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic) == (True, True, False, False)
check(short)  # engine 1
with cudnn.flags(enabled=False, allow_tf32=True):
    check(exact)  # none
with cudnn.flags(enabled=True, allow_tf32=False):
    check(exact)  # 2
    taper.use_deterministic_algorithms(True)
    check(exact)  # 3
    taper.use_deterministic_algorithms(False)
with cudnn.flags(enabled=True, allow_tf32=False, deterministic=True):
    check(exact)  # 3
with cudnn.flags(enabled=True, benchmark=True):
    check(exact)  # 1, 2 and 3 twice, then 3, the fastest
    check(exact)
with cudnn.flags(enabled=True, benchmark=True, benchmark_limit=2):
    cudnn.allow_tf32 = False
    check(exact)  # 2 and 3 twice, then 3
check(short)  # as before the contexts: 1
"""


def test_settings_choose_among_the_engines(device, tmp_path):
    log = tmp_path / "executed"
    command = [sys.executable, "-c", CHOICES]
    done = subprocess.run(command, env=environment_of(log), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    engines = [int(line.split()[1]) for line in log.read_text().splitlines()]
    assert engines == [1, 2, 3, 3, 1, 1, 2, 2, 3, 3, 3, 3, 2, 2, 3, 3, 3, 1]
