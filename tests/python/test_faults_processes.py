"""Processes that fork after threads were used."""

import os
import signal

import numpy as np
import pytest

import taper
import taper.nn.functional as F
from taper import nn

images, filters = taper.ones(4, 3, 32, 32), taper.ones(8, 3, 3, 3)


def backward():
    layer = nn.Linear(64, 64, bias=False)
    nn.init.constant_(layer.weight, 0.01)
    layer(taper.ones(256, 64)).square().sum().backward()
    return layer.weight.grad


WORK = {
    "matmul": lambda: taper.ones(300, 300) @ taper.ones(300, 300),
    "convolution": lambda: F.conv2d(images, filters),
    "elementwise": lambda: taper.ones(500_000).exp(),
    "sum": lambda: taper.linspace(0, 1, 1_000_003).sum(),
    "backward": backward,
    "sort": lambda: taper.linspace(1, 0, 100_000).sort().values,
}


def forked(work):
    """What work returns in a child, as bytes; None if the child hangs or dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(60)  # ends the child if it hangs
            os.close(reader)
            with os.fdopen(writer, "wb") as out:
                out.write(work())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        data = result.read()
    return data if os.waitpid(child, 0)[1] == 0 else None


@pytest.fixture
def two_threads():
    before = taper.get_num_threads()
    taper.set_num_threads(2)
    yield
    taper.set_num_threads(before)


@pytest.mark.parametrize("name", WORK)
def test_a_child_computes_the_same_bits(name, two_threads):
    work = WORK[name]
    expected = work().detach().numpy().tobytes()
    assert forked(lambda: work().detach().numpy().tobytes()) == expected
    assert work().detach().numpy().tobytes() == expected


def test_children_of_children(two_threads):
    work = WORK["matmul"]
    expected = work().numpy().tobytes()
    assert forked(lambda: work() is not None and forked(lambda: work().numpy().tobytes())) == expected


def test_a_hundred_forks(two_threads):
    weights = np.random.randn(64, 64).astype(np.float32)
    x = taper.tensor(weights)
    expected = (x @ x).numpy().tobytes()
    for _ in range(100):
        x @ x  # the parent's threads are awake when it forks
        assert forked(lambda: (x @ x).numpy().tobytes()) == expected


def test_exceptions_in_a_child_stay_there(two_threads):
    with pytest.raises(IndexError):
        taper.arange(100_000).index_select(0, taper.full((50_000,), 100_000))

    def work():
        try:
            taper.arange(100_000).index_select(0, taper.full((50_000,), 100_000))
        except IndexError as error:
            return str(error).encode()

    assert b"index 100000 at position" in forked(work)
