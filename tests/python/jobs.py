"""Starts jobs of several processes for the tests of taper.distributed, and gathers what they print."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

PRELUDE = """
import os, signal, sys, time
from datetime import timedelta
import numpy as np
import taper, taper.distributed as dist
from taper import nn
taper.set_num_threads(1)
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
def begin(seconds=30):
    dist.init_process_group("gloo", timeout=timedelta(seconds=seconds))
def message(call):
    start = time.monotonic()
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__} after {time.monotonic() - start:.2f} s: {error}"
    return "no error"
"""


def free_port():
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(body, world, env=(), port=None, prefix=()):
    """Processes that run body, one for each rank; prefix: what starts each."""
    script = PRELUDE + textwrap.dedent(body)
    port = port or free_port()
    shared = {
        **os.environ,
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TAPER_JOB_SECRET": "secret of the tests",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return [
        subprocess.Popen(
            [*prefix, sys.executable, "-c", script],
            env={**shared, "RANK": str(rank), **dict(env)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(world)
    ]


def finish(processes, seconds=40):
    """Return codes and outputs, by rank; whoever is not done in time is killed."""
    deadline = time.monotonic() + seconds
    results = []
    for process in processes:
        try:
            out, err = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            err += "\n(killed by the test: it did not end)"
        results.append(SimpleNamespace(code=process.returncode, out=out, err=err))
    return results


def run(body, world=2, env=(), seconds=40):
    """Runs a job that must end well on all ranks; returns their outputs."""
    results = finish(start(body, world, env), seconds)
    for rank, result in enumerate(results):
        assert result.code == 0, f"rank {rank} ended with {result.code}:\n{result.out}\n{result.err}"
    return [result.out for result in results]
