"""Elementwise functions, broadcasting, reductions, normalizations and moves, in a cache and in memory."""

from ..workload import Workload

SIZES = {"16 k": 1 << 14, "4 M": 1 << 22}


def unary(function, n):
    def make(torch):
        x = torch.rand(n) + 0.5
        return lambda: function(torch, x)

    return make


def binary(function, n):
    def make(torch):
        x, y = torch.rand(n) + 0.5, torch.rand(n) + 0.5
        return lambda: function(torch, x, y)

    return make


def matrix(function, rows, columns, grad=False):
    def make(torch):
        x = torch.randn(rows, columns, requires_grad=grad)
        if not grad:
            return lambda: function(torch, x)
        dy = torch.randn(rows, columns)
        return lambda: torch.autograd.grad(function(torch, x), x, dy)

    return make


def arithmetic():
    pairs = {
        "add": lambda t, x, y: x + y,
        "mul": lambda t, x, y: x * y,
        "where": lambda t, x, y: t.where(x > y, x, y),
    }
    ones = {
        "exp": lambda t, x: x.exp(),
        "tanh": lambda t, x: x.tanh(),
        "sigmoid": lambda t, x: x.sigmoid(),
        "relu": lambda t, x: x.relu(),
        "gelu": lambda t, x: t.nn.functional.gelu(x),
        "sqrt": lambda t, x: x.sqrt(),
        "silu": lambda t, x: t.nn.functional.silu(x),
        "log": lambda t, x: x.log(),
    }
    for label, n in SIZES.items():
        for name, function in pairs.items():
            yield Workload("elementwise", f"{name}, {label}", binary(function, n), bytes=12 * n)
        for name, function in ones.items():
            yield Workload("elementwise", f"{name}, {label}", unary(function, n), bytes=8 * n)


def broadcasting():
    def rows(torch):
        x, y = torch.randn(4096, 1024), torch.randn(1024)
        return lambda: x + y

    def columns(torch):
        x, y = torch.randn(4096, 1024), torch.randn(4096, 1)
        return lambda: x * y

    yield Workload("broadcasting", "[4096, 1024] + [1024]", rows, bytes=8 * (1 << 22))
    yield Workload("broadcasting", "[4096, 1024] * [4096, 1]", columns, bytes=8 * (1 << 22))


def reductions():
    functions = {
        "sum": lambda t, x: x.sum(),
        "mean": lambda t, x: x.mean(),
        "var": lambda t, x: x.var(),
        "max": lambda t, x: x.max(),
        "argmax": lambda t, x: x.argmax(),
        "norm": lambda t, x: x.norm(),
    }
    for label, n in SIZES.items():
        for name, function in functions.items():
            yield Workload("reductions", f"{name}, {label}", unary(function, n), bytes=4 * n)
    along = {
        "sum(0)": lambda t, x: x.sum(0),
        "sum(1)": lambda t, x: x.sum(1),
        "var(1)": lambda t, x: x.var(1),
        "argmax(1)": lambda t, x: x.argmax(1),
        "cumsum(1)": lambda t, x: x.cumsum(1),
        "logsumexp(1)": lambda t, x: x.logsumexp(1),
    }
    for name, function in along.items():
        written = 1 << 22 if "cumsum" in name else 0
        yield Workload(
            "reductions",
            f"{name}, [4096, 1024]",
            matrix(function, 4096, 1024),
            bytes=4 * ((1 << 22) + written),
        )


def normalizations():
    functions = {
        "softmax": lambda t, x: x.softmax(1),
        "log_softmax": lambda t, x: x.log_softmax(1),
        "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (x.shape[1],)),
        "rms_norm": lambda t, x: t.nn.functional.rms_norm(x, (x.shape[1],)),
    }
    for rows, columns in ((64, 128), (4096, 1024)):
        n = rows * columns
        for name, function in functions.items():
            yield Workload(
                "norms", f"{name}, [{rows}, {columns}]", matrix(function, rows, columns), bytes=8 * n
            )
            yield Workload(
                "norms",
                f"{name}, [{rows}, {columns}], forward + backward",
                matrix(function, rows, columns, grad=True),
                bytes=20 * n,
            )

    def batch_norm(torch):
        layer, x = torch.nn.BatchNorm2d(64), torch.randn(32, 64, 28, 28, requires_grad=True)
        dy = torch.randn(32, 64, 28, 28)
        return lambda: torch.autograd.grad(layer(x), x, dy)

    yield Workload(
        "norms", "batch_norm, [32, 64, 28, 28], forward + backward", batch_norm, bytes=20 * 32 * 64 * 28 * 28
    )


def moves():
    n = 1 << 22
    functions = {
        "clone": lambda t, x: x.clone(),
        "transpose": lambda t, x: x.t().contiguous(),
        "cat": lambda t, x: t.cat([x[:2048], x[2048:]]),
        "flip": lambda t, x: x.flip(1),
        "roll": lambda t, x: x.roll(1, 1),
        "to(float64)": lambda t, x: x.to(t.float64),
        "to(bfloat16)": lambda t, x: x.to(t.bfloat16),
    }
    for name, function in functions.items():
        width = {"to(float64)": 12, "to(bfloat16)": 6}.get(name, 8)
        yield Workload("moves", f"{name}, [4096, 1024]", matrix(function, 4096, 1024), bytes=width * n)


def workloads():
    for part in (arithmetic, broadcasting, reductions, normalizations, moves):
        yield from part()
