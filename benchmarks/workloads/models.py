"""Recurrent layers, losses and optimizers."""

from ..workload import Workload


def recurrent(kind):
    def make(torch):
        layer = getattr(torch.nn, kind)(64, 128)
        x = torch.randn(50, 32, 64)
        operands = list(layer.parameters())
        return lambda: torch.autograd.grad(layer(x)[0].sum(), operands)

    return make


def cross_entropy(rows, classes):
    def make(torch):
        x, y = torch.randn(rows, classes, requires_grad=True), torch.randint(0, classes, (rows,))
        return lambda: torch.autograd.grad(torch.nn.functional.cross_entropy(x, y), x)

    return make


def loss(name):
    def make(torch):
        x, y = torch.rand(1_000_000, requires_grad=True), torch.rand(1_000_000)
        function = getattr(torch.nn.functional, name)
        return lambda: torch.autograd.grad(function(x, y), x)

    return make


def optimizer(name, count, size, **options):
    def make(torch):
        parameters = [torch.nn.Parameter(torch.randn(size)) for _ in range(count)]
        for parameter in parameters:
            parameter.grad = torch.randn(size)
        return getattr(torch.optim, name)(parameters, lr=1e-3, **options).step

    return make


def workloads():
    for kind in ("RNN", "LSTM", "GRU"):
        yield Workload("recurrent", f"{kind}(64, 128), 50 steps of 32, forward + backward", recurrent(kind))
    yield Workload("losses", "cross_entropy, [128, 10], forward + backward", cross_entropy(128, 10))
    yield Workload("losses", "cross_entropy, [1024, 10000], forward + backward", cross_entropy(1024, 10_000))
    for name in ("mse_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits"):
        yield Workload("losses", f"{name}, 1 M, forward + backward", loss(name))
    for name, options, passes in (("SGD", {"momentum": 0.9}, 5), ("Adam", {}, 7), ("AdamW", {}, 7)):
        yield Workload("optimizers", f"{name}, 200 tensors of 64", optimizer(name, 200, 64, **options))
        yield Workload(
            "optimizers",
            f"{name}, 4 tensors of 1 M",
            optimizer(name, 4, 1 << 20, **options),
            bytes=passes * 4 * 4 * (1 << 20),
        )
