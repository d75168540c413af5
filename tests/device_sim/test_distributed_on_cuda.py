"""Collectives of tensors on devices, through NCCL's stand-in, between processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LIBRARIES, ROOT, RUNTIME

import taper

COLLECTIVES = Path(__file__).with_name("collectives_on_cuda.py")
SHARDED = COLLECTIVES.with_name("sharded_on_cuda.py")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(program, ranks=2, file=COLLECTIVES, arguments=(), **more):
    """The output of each rank. The real NCCL wants a device for each."""
    if RUNTIME is None and taper.cuda.device_count() < ranks:
        pytest.skip(f"{ranks} ranks need as many devices")
    port = str(free_port())
    processes = []
    for rank in range(ranks):
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": f"{LIBRARIES}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            "PYTHONPATH": str(ROOT / "python"),
            "RANK": str(rank),
            "WORLD_SIZE": str(ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "TAPER_JOB_SECRET": "a secret of the test",
            **more,
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, file, program, *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return [process.communicate(timeout=120)[0] for process in processes]


@pytest.mark.parametrize("program", ["collectives", "messages", "training"])
def test_ranks_on_devices(device, program):
    for output in run(program):
        assert output.strip().endswith("right"), output


def test_parameters_that_stay_divided_among_fewer_ranks(device):
    for output in run("neighbours", 4, SHARDED):
        assert output.strip().endswith("right"), output


@pytest.mark.parametrize("program", ["fully", "gpt", "memory", "modes", "wrapped", "layers", "others"])
def test_divided_models_on_devices(device, program):
    for output in run(program, file=SHARDED):
        assert output.strip().endswith("right"), output


def test_a_checkpoint_of_parts_on_devices_goes_on_in_another_number_of_processes(device, tmp_path):
    for ranks in (2, 3):
        for output in run("checkpoint", ranks, SHARDED, [tmp_path / "checkpoint"]):
            assert output.strip().endswith("right"), output


def test_three_ranks(device):
    for output in run("collectives", 3):
        assert output.strip().endswith("right"), output


def test_calls_that_differ_are_named_when_asked_for(device):
    for output in run("differing", TORCH_DISTRIBUTED_DEBUG="DETAIL"):
        assert output.strip().endswith("right"), output


def test_a_lost_rank_is_named_where_the_host_waits(device):
    for output in run("lost"):
        assert output.strip().endswith("right"), output
