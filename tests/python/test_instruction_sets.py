"""The kernels of every instruction set that this processor has give right values: parts of the suite run under each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import taper

HERE = Path(__file__).parent
# Taper's name, oneDNN's name, and what /proc/cpuinfo calls it.
SETS = {
    "DEFAULT": ("SSE41", "sse4_1"),
    "SSE4": ("SSE41", "sse4_2"),
    "AVX2": ("AVX2", "avx2"),
    "AVX512": ("AVX512_CORE", "avx512bw"),
}
PARTS = [
    "test_accuracy.py",
    "test_operations.py::test_float32",
    "test_faults_numbers.py::test_products_over_ten_million_terms",
    "test_faults_numbers.py::test_normalizations_about_a_large_mean",
    "test_faults_numbers.py::test_nan",
    "test_optim.py",
    "test_nn.py",
]


def run(arguments, name):
    names = {"TAPER_MAX_CPU_ISA": name, "ONEDNN_MAX_CPU_ISA": SETS[name][0]}
    return subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **names}, cwd=HERE, capture_output=True, text=True
    )


def has(name):
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and SETS[name][1] in cpuinfo.read_text().split()


@pytest.mark.parametrize("name", SETS)
def test_parts_of_the_suite_pass(name):
    if not has(name):
        pytest.skip("this processor does not have it")
    told = run(["-c", "import taper; print(taper.backends.cpu.get_cpu_capability())"], name).stdout.strip()
    if told != name:
        pytest.skip(f"this build has no kernels for it, but {told}")
    if name == taper.backends.cpu.get_cpu_capability():
        pytest.skip("the whole suite runs under it")
    result = run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *PARTS], name)
    assert result.returncode == 0, result.stdout[-4000:]
