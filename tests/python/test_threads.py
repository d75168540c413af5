"""Results are the same bits for any number of threads."""

import os
import subprocess
import sys

import numpy as np
import pytest

import taper
import taper.nn.functional as F
from taper import nn

rng = np.random.default_rng(0)


def make(*shape, dtype=np.float32):
    return taper.tensor(rng.standard_normal(shape).astype(dtype))


long, wide = make(1_000_003), make(1501, 401)
square, images, filters = make(300, 300), make(4, 8, 30, 30), make(16, 8, 3, 3)
tokens, words = taper.tensor(rng.integers(0, 50, 100_000)), make(50, 16)
sequence, queries = make(20, 8, 16), make(2, 4, 70, 16)


def gradients(function, *leaves):
    leaves = [x.detach().requires_grad_() for x in leaves]
    result = function(*leaves)
    result = result if isinstance(result, taper.Tensor) else result[0]
    weights = taper.linspace(-1, 1, result.numel()).view(result.shape)
    return [result, *taper.autograd.grad((result * weights).sum(), leaves)]


def drawn(draw):
    taper.manual_seed(5)
    return draw()


def recurrent(kind):
    taper.manual_seed(1)
    layer = kind(16, 32, 2)
    output = layer(sequence)[0]
    output.square().sum().backward()
    return [output, *(p.grad for p in layer.parameters())]


CHECKS = {
    "sum": lambda: long.sum(),
    "sum of rows": lambda: wide.sum(1),
    "sum of columns": lambda: wide.sum(0),
    "mean": lambda: long.mean(),
    "prod": lambda: (1 + long * 1e-4).prod(),
    "var": lambda: long.var(),
    "std of columns": lambda: wide.std(0),
    "norm": lambda: long.norm(),
    "dot": lambda: taper.dot(long, long.flip(0)),
    "logsumexp": lambda: wide.logsumexp(0),
    "cumsum": lambda: long.cumsum(0),
    "cumprod": lambda: (1 + wide * 1e-3).cumprod(0),
    "max": lambda: wide.max(0),
    "argmax": lambda: long.argmax(),
    "sort": lambda: long.sort(),
    "sort of float64": lambda: long[:200_001].to(taper.float64).sort(descending=True),
    "sort of integers": lambda: (long[:200_001] * 1e9).to(taper.int64).sort(),
    "sort of close integers": lambda: (long * 100).to(taper.int64).sort(),
    "topk": lambda: wide.topk(20, 1),
    "topk of a long row": lambda: long.topk(500),
    "unique": lambda: tokens.unique(return_counts=True),
    "unique of many": lambda: (long * 100).to(taper.int64).unique(return_inverse=True, return_counts=True),
    "median": lambda: wide.median(1),
    "histc": lambda: taper.histc(long, 100),
    "bincount": lambda: taper.bincount(tokens, long[:100_000]),
    "matmul": lambda: square @ square,
    "matmul, long sums": lambda: make_product(),
    "matrix by vector": lambda: wide @ wide[0],
    "batched": lambda: taper.bmm(queries[0], queries[1].transpose(1, 2)),
    "linear, few rows": lambda: gradients(
        F.linear, long[:25_000].view(5, 5000), long[:500_000].view(100, 5000), make_fixed(100)
    ),
    "linear": lambda: gradients(F.linear, wide, make_fixed(64, 401), make_fixed(64)),
    "conv2d": lambda: gradients(F.conv2d, images, filters, make_fixed(16)),
    "conv2d, small windows": lambda: gradients(
        F.conv2d, make_fixed(2, 64, 30, 30), make_fixed(64, 64, 3, 3), make_fixed(64)
    ),
    "conv_transpose2d": lambda: gradients(F.conv_transpose2d, images, filters.transpose(0, 1).contiguous()),
    "depthwise": lambda: gradients(lambda x, w: F.conv2d(x, w, groups=8), images, make_fixed(8, 1, 3, 3)),
    "max_pool2d": lambda: gradients(lambda x: F.max_pool2d(x, 3, 2), images),
    "avg_pool2d": lambda: gradients(lambda x: F.avg_pool2d(x, 3, 2), images),
    "interpolate": lambda: gradients(lambda x: F.interpolate(x, size=(41, 17), mode="bilinear"), images),
    "layer_norm": lambda: gradients(lambda x, w, b: F.layer_norm(x, (401,), w, b), wide, wide[0], wide[1]),
    "group_norm": lambda: gradients(
        lambda x, w, b: F.group_norm(x, 4, w, b), images, make_fixed(8), make_fixed(8)
    ),
    "batch_norm": lambda: gradients(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), images, make_fixed(8), make_fixed(8)
    ),
    "softmax": lambda: gradients(lambda x: x.softmax(1), wide),
    "cross_entropy": lambda: gradients(lambda x: F.cross_entropy(x, tokens[:1501]).view(1), wide),
    "embedding": lambda: gradients(lambda w: F.embedding(tokens, w), words),
    "index_put accumulate": lambda: taper.zeros(50).index_put_((tokens,), long[:100_000], accumulate=True),
    "index_add": lambda: taper.zeros(50).index_add_(0, tokens, long[:100_000]),
    "index_add of rows": lambda: taper.zeros(50, 64).index_add_(
        0, tokens[:10_000], long[:640_000].view(10_000, 64)
    ),
    "scatter_add": lambda: taper.zeros(50).scatter_add_(0, tokens, long[:100_000]),
    "scatter_reduce": lambda: taper.ones(50).scatter_reduce_(0, tokens, 1 + long[:100_000] * 1e-5, "prod"),
    "attention": lambda: gradients(F.scaled_dot_product_attention, queries, queries.flip(2), queries.flip(3)),
    "lstm": lambda: recurrent(nn.LSTM),
    "gru": lambda: recurrent(nn.GRU),
    "randn": lambda: drawn(lambda: taper.randn(300_001)),
    "rand": lambda: drawn(lambda: taper.rand(300_001)),
    "randperm": lambda: drawn(lambda: taper.randperm(100_001)),
    "bernoulli": lambda: drawn(lambda: taper.full((300_001,), 0.3).bernoulli()),
    "dropout": lambda: drawn(lambda: F.dropout(long, 0.3)),
    "multinomial": lambda: drawn(lambda: taper.multinomial(long[:1000].abs(), 500)),
    "fft": lambda: taper.fft.fft(long[:65_536]),
    "cdist": lambda: taper.cdist(wide[:200], wide[200:300]),
    "sin": lambda: long.sin(),
    "gelu": lambda: gradients(F.gelu, long),
}


def make_fixed(*shape):
    return taper.tensor(np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32))


def make_product():
    return wide.view(-1)[:600_000].view(3, 200_000) @ wide.view(-1)[:600_000].view(200_000, 3)


def bits(value):
    if isinstance(value, taper.Tensor):
        return value.detach().numpy().tobytes()
    return b"".join(map(bits, value))


@pytest.fixture
def threads():
    before = taper.get_num_threads()
    yield taper.set_num_threads
    taper.set_num_threads(before)


@pytest.mark.parametrize("name", CHECKS)
def test_same_bits_for_any_number_of_threads(name, threads):
    results = []
    for count in (1, 2, 3, 4):
        threads(count)
        results.append(bits(CHECKS[name]()))
    assert all(result == results[0] for result in results)


def trained(model, x, y, optimizer):
    steps = optimizer(model.parameters())
    for _ in range(10):
        steps.zero_grad()
        F.cross_entropy(model(x), y).backward()
        steps.step()
    return list(model.state_dict().values())


def perceptron():
    model = nn.Sequential(
        nn.Linear(100, 301), nn.LayerNorm(301), nn.GELU(), nn.Dropout(0.1), nn.Linear(301, 10)
    )
    return trained(
        model, taper.randn(257, 100), taper.randint(0, 10, (257,)), lambda p: taper.optim.Adam(p, lr=1e-3)
    )


def convolutional():
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(288, 10)),
    )
    return trained(
        model,
        taper.randn(33, 1, 20, 20),
        taper.randint(0, 10, (33,)),
        lambda p: taper.optim.SGD(p, lr=0.1, momentum=0.9),
    )


@pytest.mark.parametrize("train", [perceptron, convolutional])
def test_trained_networks_are_the_same_bits(train, threads):
    results = []
    for count in (1, 2, 3, 4):
        threads(count)
        taper.manual_seed(3)
        results.append(bits(train()))
    assert all(result == results[0] for result in results)


CONVOLUTIONS_IN_TWO_THREADS = """
import os, taper
taper.set_num_threads(2)
model = taper.nn.Sequential(taper.nn.Conv2d(3, 64, 7, 2, 3), taper.nn.ConvTranspose2d(64, 32, 4, 2))
model(taper.randn(4, 3, 112, 112, requires_grad=True)).sum().backward()
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="threads are counted in /proc")
def test_no_library_starts_threads_of_its_own():
    command = [sys.executable, "-c", CONVOLUTIONS_IN_TWO_THREADS]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == 2
