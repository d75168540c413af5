"""Convolutions and pooling."""

from ..workload import Workload


def convolution(kind, batch, channels, out, size, kernel, backward=False, **options):
    def make(torch):
        layer = getattr(torch.nn, kind)(channels, out, kernel, **options)
        x = torch.randn(batch, channels, size, size, requires_grad=backward)
        if not backward:
            with torch.no_grad():
                layer(x)

            def forward():
                with torch.no_grad():
                    return layer(x)

            return forward
        operands = [x, layer.weight, layer.bias]
        dy = torch.ones_like(layer(x))
        return lambda: torch.autograd.grad(layer(x), operands, dy)

    return make


def pool(function):
    def make(torch):
        x = torch.randn(32, 64, 56, 56)
        return lambda: function(torch.nn.functional, x)

    return make


def workloads():
    cases = {
        "3 x 3, 64 -> 64, 32 x 32": ("Conv2d", 64, 64, 32, 3, {"padding": 1}),
        "1 x 1, 256 -> 64, 28 x 28": ("Conv2d", 256, 64, 28, 1, {}),
        "7 x 7 / 2, 3 -> 64, 112 x 112": ("Conv2d", 3, 64, 112, 7, {"stride": 2, "padding": 3}),
        "depthwise 3 x 3, 128, 28 x 28": ("Conv2d", 128, 128, 28, 3, {"padding": 1, "groups": 128}),
        "grouped 3 x 3, 128 / 8, 28 x 28": ("Conv2d", 128, 128, 28, 3, {"padding": 1, "groups": 8}),
        "transposed 4 x 4 / 2, 64 -> 32, 16 x 16": (
            "ConvTranspose2d",
            64,
            32,
            16,
            4,
            {"stride": 2, "padding": 1},
        ),
    }
    batch = 8
    for name, (kind, channels, out, size, kernel, options) in cases.items():
        positions = size**2 if kind == "ConvTranspose2d" else (size // options.get("stride", 1)) ** 2
        flops = 2 * batch * positions * kernel**2 * channels * out / options.get("groups", 1)
        yield Workload(
            "convolution",
            f"{name}, forward",
            convolution(kind, batch, channels, out, size, kernel, **options),
            flops=flops,
        )
        yield Workload(
            "convolution",
            f"{name}, forward + backward",
            convolution(kind, batch, channels, out, size, kernel, True, **options),
            flops=3 * flops,
        )
    size = 4 * 32 * 64 * 56 * 56
    for name, function in {
        "max_pool 2 x 2": lambda f, x: f.max_pool2d(x, 2),
        "avg_pool 2 x 2": lambda f, x: f.avg_pool2d(x, 2),
        "adaptive_avg_pool 1": lambda f, x: f.adaptive_avg_pool2d(x, 1),
    }.items():
        yield Workload("pooling", f"{name}, [32, 64, 56, 56]", pool(function), bytes=size)
