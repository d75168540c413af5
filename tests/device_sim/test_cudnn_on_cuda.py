"""Convolutions by cuDNN: our descriptors are executed by a stand-in that reads them independently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIBRARIES

HERE = Path(__file__).parent


def test_convolutions_by_cudnn(device, tmp_path):
    library = LIBRARIES / "libcudnn.so.9"
    if not library.exists():
        pytest.skip("the stand-in of cuDNN is not built: its headers are missing")
    log = tmp_path / "executed"
    environment = os.environ | {"TAPER_CUDNN_LIBRARY": str(library), "DEVICE_SIM_CUDNN_LOG": str(log)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "convolution or gradient_of_a_weight",
    ]
    done = subprocess.run(
        [*command, str(HERE / "test_networks_on_cuda.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passes = log.read_text().split()
    assert {"forward", "data", "filter"} == set(passes) and len(passes) > 60
