"""Indexing, scatter, order, random numbers and embeddings."""

from ..workload import Workload


def select(torch):
    x, index = torch.randn(100_000, 64), torch.randint(0, 100_000, (50_000,))
    return lambda: x[index]


def gather(torch):
    x, index = torch.randn(4096, 1024), torch.randint(0, 1024, (4096, 256))
    return lambda: x.gather(1, index)


def scatter_add(torch):
    x, index, source = (
        torch.zeros(10_000, 64),
        torch.randint(0, 10_000, (50_000, 64)),
        torch.randn(50_000, 64),
    )
    return lambda: x.scatter_add(0, index, source)


def index_add(torch):
    x, index, source = torch.zeros(10_000, 64), torch.randint(0, 10_000, (50_000,)), torch.randn(50_000, 64)
    return lambda: x.index_add(0, index, source)


def masked(torch):
    x = torch.randn(1_000_000)
    mask = x > 0
    return lambda: x[mask]


def masked_fill(torch):
    x = torch.randn(1_000_000)
    mask = x > 0
    return lambda: x.masked_fill(mask, 0.0)


def sort(n):
    def make(torch):
        x = torch.randn(n)
        return lambda: x.sort()

    return make


def rows_sorted(torch):
    x = torch.randn(1000, 1000)
    return lambda: x.sort(dim=1)


def topk(torch):
    x = torch.randn(1_000_000)
    return lambda: x.topk(100)


def rows_topk(torch):
    x = torch.randn(256, 10_000)
    return lambda: x.topk(10, dim=1)


def unique(torch):
    x = torch.randint(0, 1000, (1_000_000,))
    return lambda: x.unique()


def embedding(torch):
    layer, index = torch.nn.Embedding(50_000, 128), torch.randint(0, 50_000, (64, 128))
    dy = torch.randn(64, 128, 128)
    return lambda: torch.autograd.grad(layer(index), layer.weight, dy)


def drawn(function):
    def make(torch):
        return lambda: function(torch)

    return make


def workloads():
    moved = {
        "x[index], 50 k rows of 64": (select, 8 * 50_000 * 64),
        "gather, [4096, 256]": (gather, 16 * 4096 * 256),
        "scatter_add, 50 k rows of 64": (scatter_add, 0),
        "index_add, 50 k rows of 64": (index_add, 0),
        "x[mask], 1 M": (masked, 0),
        "masked_fill, 1 M": (masked_fill, 9_000_000),
    }
    for name, (make, size) in moved.items():
        yield Workload("indexing", name, make, bytes=size)
    for name, make in {
        "sort, 1 k": sort(1000),
        "sort, 1 M": sort(1_000_000),
        "sort, [1000, 1000]": rows_sorted,
        "topk(100), 1 M": topk,
        "topk(10), [256, 10000]": rows_topk,
        "unique, 1 M": unique,
    }.items():
        yield Workload("order", name, make)
    n = 1 << 22
    for name, function in {
        "rand": lambda t: t.rand(n),
        "randn": lambda t: t.randn(n),
        "randint": lambda t: t.randint(0, 100, (n,)),
        "bernoulli": lambda t: t.empty(n).bernoulli_(0.5),
    }.items():
        yield Workload("random", f"{name}, 4 M", drawn(function), bytes=(8 if name == "randint" else 4) * n)
    yield Workload("random", "randperm, 1 M", drawn(lambda t: t.randperm(1_000_000)))
    yield Workload("embeddings", "64 x 128 of 50 k x 128, forward + backward", embedding)
