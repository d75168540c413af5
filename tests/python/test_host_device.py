"""Everything around kernels, on a device whose kernels are the CPU's and whose memory the host cannot read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARIES = sorted(ROOT.glob("build*/tests/libtaper_host_device.so"))

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="the test library is not built")


def run(program, *arguments):
    environment = {**os.environ, "TAPER_CUDA_LIBRARY": str(LIBRARIES[0]), "PYTHONPATH": str(ROOT / "python")}
    result = subprocess.run(
        [sys.executable, HERE / program, *arguments], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_operations_give_on_a_device_what_they_give_on_the_cpu():
    report = run("device_samples.py")
    assert report["differing"] == []
    assert report["equal"] > 1000
    # Left without a kernel on the test's device.
    assert set(report["refused"]) == {"histc"}


def test_training_follows_the_curve_of_the_cpu():
    for losses_cpu, losses_device in run(
        "device_training.py", "SGD", "Adam", "AdamW", "RMSprop", "Adagrad"
    ).values():
        assert losses_device == losses_cpu


def test_modules_and_functions_give_on_a_device_what_they_give_on_the_cpu():
    assert run("device_modules.py") == {}
