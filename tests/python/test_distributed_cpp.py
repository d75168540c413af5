"""Jobs of C++ programs: tests/cpp/programs/ranks.cc, whose checks are its own, and examples/cpp/ddp_mnist.cc."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taper import distributed as dist

BUILD = Path(__file__).resolve().parents[2] / "build/tests"

pytestmark = [
    pytest.mark.skipif(not dist.is_available(), reason="built without Gloo"),
    pytest.mark.skipif(not (BUILD / "ranks").exists(), reason="the C++ tests are not built"),
]


def launched(size, program, *arguments):
    """What a job of a C++ program prints, by line, in no order."""
    starter = [sys.executable, "-m", "taper.distributed.run", "--nproc-per-node", str(size), "--no-python"]
    command = [*starter, str(BUILD / program), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result
    return sorted(result.stdout.splitlines())


@pytest.mark.parametrize("size", [2, 4])
def test_collectives_groups_and_reducers_of_a_cpp_program(size):
    assert launched(size, "ranks") == [f"rank {rank} of {size}: well" for rank in range(size)]


@pytest.mark.skipif(not shutil.which("mpirun"), reason="mpirun is not installed")
def test_mpirun_starts_a_cpp_program():
    command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", str(BUILD / "ranks")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result
    assert sorted(result.stdout.splitlines()) == ["rank 0 of 2: well", "rank 1 of 2: well"]


def test_two_processes_train_as_one():
    data = BUILD.parents[1] / "examples/data/mnist5k.npz"
    one, two = (
        [float(number) for number in re.findall(r"\d+\.\d+", " ".join(lines))]
        for lines in (launched(size, "ddp_mnist_example", data, "1") for size in (1, 2))
    )
    assert one == pytest.approx(two, abs=0.05) and one[-1] > 85
