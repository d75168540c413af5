"""What a call costs when there is nearly nothing to compute."""

from ..workload import Workload


def add(torch):
    a, b = torch.randn(4), torch.randn(4)
    return lambda: a + b


def add_with_grad(torch):
    a, b = torch.randn(4, requires_grad=True), torch.randn(4)
    return lambda: a + b


def add_number(torch):
    a = torch.randn(4)
    return lambda: a + 1.5


def view(torch):
    x = torch.randn(4, 6)
    return lambda: x.view(6, 4)


def row(torch):
    x = torch.randn(4, 6)
    return lambda: x[1]


def transposed(torch):
    x = torch.randn(4, 6)
    return lambda: x.transpose(0, 1)


def total(torch):
    x = torch.randn(4, 6)
    return lambda: x.sum(dim=1)


def linear(torch):
    layer, x = torch.nn.Linear(8, 8), torch.randn(4, 8)
    return lambda: layer(x)


def item(torch):
    x = torch.randn(1)
    return lambda: x.item()


def chain(torch):
    """50 multiplications and their gradient."""
    x, factor = torch.randn(4, requires_grad=True), torch.randn(4)

    def step():
        y = x
        for _ in range(50):
            y = y * factor
        y.sum().backward()

    return step


def workloads():
    for name, make in {
        "a + b, 4 elements": add,
        "a + b, recorded": add_with_grad,
        "a + 1.5": add_number,
        "x.view(6, 4)": view,
        "x[1]": row,
        "x.transpose(0, 1)": transposed,
        "x.sum(dim=1)": total,
        "Linear(8, 8)": linear,
        "x.item()": item,
        "50 x mul, forward + backward": chain,
    }.items():
        yield Workload("calls", name, make)
