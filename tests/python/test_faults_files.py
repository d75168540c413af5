"""Files that are cut, overwritten or half written; see test_io.py for damage to their contents."""

import os
import random
import signal

import pytest

import taper
from taper import safetensors


def save_until_killed(path, progress, delay):
    data = taper.zeros(1_000_000)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process wherever it is
    for step in range(1, 1_000_000):
        data.fill_(step)
        taper.save({"step": step, "data": data}, path)
        os.write(progress, step.to_bytes(4, "little"))
        if step == 1:
            signal.setitimer(signal.ITIMER_REAL, delay)


def steps_until_killed(path, delay):
    """A process saves over path again and again, for delay seconds after the first time; the last step it told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            save_until_killed(path, writer, delay)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as progress:
        steps = progress.read()
    assert os.waitpid(child, 0)[1] == signal.SIGALRM
    return int.from_bytes(steps[-4:], "little")


def test_any_kill_leaves_the_old_or_the_new_file(tmp_path):
    path, generator = tmp_path / "checkpoint", random.Random(2)
    alone = 0
    for _ in range(60):
        last = steps_until_killed(path, generator.uniform(0.001, 0.05))
        loaded = taper.load(path)
        assert loaded["step"] in (last, last + 1)
        assert (loaded["data"] == loaded["step"]).all()
        left = [name for name in os.listdir(tmp_path) if name != "checkpoint"]
        alone += not left
        for name in left:
            os.remove(tmp_path / name)
    assert alone >= 40  # what has no name yet leaves nothing; only a kill just before the renaming does


def test_a_file_cut_while_it_is_open(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {"a": taper.arange(100_000.0), "b": taper.ones(100_000)}
    safetensors.save_file(tensors, path)
    with safetensors.safe_open(path) as file:
        first = file.get_tensor("a")
        os.truncate(path, os.path.getsize(path) // 2)
        assert (first == tensors["a"]).all()
        with pytest.raises(taper.IOError, match="model.safetensors"):
            file.get_tensor("b")
        with pytest.raises(taper.IOError, match="model.safetensors"):
            file.get_slice("b")[99_000:]


def test_what_is_no_file(tmp_path):
    with pytest.raises(OSError, match="No such file or directory.*missing"):
        taper.load(tmp_path / "missing")
    with pytest.raises(OSError, match="Is a directory"):
        taper.load(tmp_path)
    with pytest.raises(OSError, match="No such file or directory"):
        taper.save({}, tmp_path / "no" / "folder")
    with pytest.raises(OSError):
        taper.load("/dev/null")
    assert os.listdir(tmp_path) == []
