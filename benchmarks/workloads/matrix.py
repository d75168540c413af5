"""Products of matrices and attention."""

from ..workload import Workload


def product(*sizes):
    first, second = sizes

    def make(torch):
        a, b = torch.randn(*first), torch.randn(*second)
        return lambda: a @ b

    return make


def linear_backward(torch):
    layer, x, dy = (
        torch.nn.Linear(1024, 1024),
        torch.randn(256, 1024, requires_grad=True),
        torch.randn(256, 1024),
    )
    operands = [x, layer.weight, layer.bias]
    return lambda: torch.autograd.grad(layer(x), operands, dy)


def attention(batch, heads, length, width, causal=False, backward=False):
    def make(torch):
        q, k, v = (torch.randn(batch, heads, length, width, requires_grad=backward) for _ in range(3))
        attend = torch.nn.functional.scaled_dot_product_attention
        if not backward:
            return lambda: attend(q, k, v, is_causal=causal)
        dy = torch.randn(batch, heads, length, width)
        return lambda: torch.autograd.grad(attend(q, k, v, is_causal=causal), [q, k, v], dy)

    return make


def workloads():
    for n in (64, 256, 512, 1024):
        yield Workload("matmul", f"{n} x {n} x {n}", product((n, n), (n, n)), flops=2 * n**3)
    for m, k, n in ((1, 1024, 1024), (32, 1024, 1024), (1024, 1024, 8), (128, 784, 512)):
        yield Workload(
            "matmul",
            f"{m} x {k} x {n}",
            product((m, k), (k, n)),
            flops=2 * m * k * n,
            bytes=4 * (m * k + k * n + m * n),
        )
    for batch, n in ((256, 32), (64, 128)):
        yield Workload(
            "matmul",
            f"{batch} of {n} x {n} x {n}",
            product((batch, n, n), (batch, n, n)),
            flops=2 * batch * n**3,
        )
    yield Workload(
        "matmul", "Linear(1024, 1024), 256 rows, forward + backward", linear_backward, flops=6 * 256 * 2**20
    )
    for batch, heads, length, width in ((8, 6, 128, 32), (1, 8, 1024, 64)):
        flops, label = 4 * batch * heads * length**2 * width, f"[{batch}, {heads}, {length}, {width}]"
        yield Workload("attention", label, attention(batch, heads, length, width), flops=flops)
        yield Workload(
            "attention",
            f"{label}, causal, forward + backward",
            attention(batch, heads, length, width, True, True),
            flops=3.5 * flops / 2,
        )
