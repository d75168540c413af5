"""With use_deterministic_algorithms, results whose last bits depend on the order of threads otherwise are the
same bits for any order."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import RUNTIME

import taper

HERE = Path(__file__).parent

# Sums whose bits depend on the order of their terms, of 1e-3 to 1e3; each line is a hash of a result's bits.
SUMS = """
from conftest import RUNTIME  # before taper looks for a device
import hashlib
import sys
import numpy as np
import taper
import taper.nn.functional as F

taper.use_deterministic_algorithms(sys.argv[1] == "deterministic")
random = np.random.default_rng(0)
terms = random.standard_normal((300, 6)) * 10.0 ** random.integers(-3, 4, (300, 1))
index = taper.tensor(random.integers(0, 5, 300)).cuda()
start = random.standard_normal((5, 6))

def gradient(function, x):
    x = x.clone().requires_grad_()
    y = function(x)
    return taper.autograd.grad(y, x, values[: y.numel() // 6].reshape(y.shape))[0]

def show(name, x):
    x = x.cpu().view(taper.int16) if dtype is taper.bfloat16 else x.cpu()
    print(name, dtype, hashlib.md5(x.numpy().tobytes()).hexdigest())

for dtype in (taper.float32, taper.float64, taper.bfloat16, taper.complex64):
    values, rows = taper.tensor(terms).to(dtype).cuda(), taper.tensor(start).to(dtype).cuda()
    show("index_add", rows.index_add(0, index, values, alpha=0.3))
    show("scatter_add", rows.scatter_add(0, index[:, None].expand(-1, 6), values))
    places = (index[:, None] + taper.arange(6).cuda()) % 5
    show("scatter_add by element", rows.scatter_add(0, places, values))
    show("index_put", rows.index_put((index, places[:, 0]), values[:, 0], accumulate=True))
    show("scatter", rows.scatter(0, places, values))
    if dtype is taper.complex64:
        continue
    show("embedding", gradient(lambda w: F.embedding(index, w, padding_idx=3), rows))
    offsets = taper.arange(0, 300, 4).cuda()
    for mode in ("sum", "mean", "max"):
        show("embedding_bag " + mode, gradient(lambda w: F.embedding_bag(index, w, offsets, mode=mode), rows))
    if dtype is not taper.bfloat16:
        show("bincount", taper.bincount(index, values[:, 0]))
"""


def hashes(mode, schedule):
    environment = os.environ | {
        "DEVICE_SIM_SCHEDULE": schedule,
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", SUMS, mode]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def in_order():
    if not taper.cuda.is_available():
        pytest.skip("neither a simulated nor a real device")
    return hashes("deterministic", "0")


@pytest.mark.parametrize("schedule", ["1", "7", "8"])
def test_results_are_the_same_bits_for_any_order_of_threads(in_order, schedule):
    assert hashes("deterministic", schedule) == in_order


@pytest.mark.skipif(RUNTIME is None, reason="the order of threads is chosen on the simulated device only")
def test_without_it_the_order_of_threads_shows():
    """Or else the test above would prove nothing."""
    one, other = hashes("any", "0"), hashes("any", "8")
    differing = {a.split(" taper.")[0] for a, b in zip(one, other, strict=True) if a != b}
    assert {
        "index_add",
        "scatter_add",
        "scatter_add by element",
        "index_put",
        "embedding",
        "scatter",
    } <= differing
    assert {"embedding_bag sum", "embedding_bag max", "bincount"} <= differing


@pytest.fixture
def deterministic():
    taper.use_deterministic_algorithms(True)
    yield
    taper.use_deterministic_algorithms(False)


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16, taper.float32, taper.float64])
def test_ordered_sums_are_those_of_the_cpu(device, deterministic, dtype):
    assert taper.are_deterministic_algorithms_enabled()
    random = np.random.default_rng(5)
    index, x = random.integers(0, 5, (40, 3)), random.integers(-2, 3, (40, 3, 2)).astype(float)
    found = []
    for place in ("cuda", "cpu"):
        values, places = taper.tensor(x).to(dtype).to(place), taper.tensor(index).to(place)
        y = taper.ones(5, 5, 2, dtype=dtype, device=place)
        flat = taper.tensor([7.0, 8, 9]).to(dtype).to(place)
        found.append(
            [
                y.index_put((places[:, 0], places[:, 1]), values[:, 0], accumulate=True),
                y[:, 1].index_put((places[:, 0],), values[:, 0], accumulate=True),
                y.index_add(1, places[:, 2], values[:5, 0, None].expand(5, 40, 2), alpha=2),
                y.transpose(0, 2).scatter_add(
                    2, places[None, :5].expand(2, 5, 3), values[None, :5, :, 0].expand(2, 5, 3)
                ),
                y.scatter(0, places[:4, :, None], values[:4, :, :1]),
                flat.index_put((places[:, 0] % 3 - 3,), values[:, 0, 0]),
                flat.index_add(0, places[0, :1] % 3, values[0, :1, 0]),
                flat.index_add(0, places[:0, 0], values[:0, 0, 0]),
            ]
        )
    for got, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(got.cpu().to(taper.float64).numpy(), expected.to(taper.float64).numpy())


def test_an_index_out_of_range_is_reported(device, deterministic):
    y = taper.zeros(3, device="cuda").index_add(
        0, taper.tensor([0, 3]).to("cuda"), taper.ones(2, device="cuda")
    )
    with pytest.raises(IndexError, match="index"):
        y.cpu()
