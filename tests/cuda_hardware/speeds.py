"""Times on a GPU by one framework: a line of JSON for each operation, as soon as it is measured.

    python tests/cuda_hardware/speeds.py taper|torch [--small]

Memory-bound operations come with the bytes that they must move at least, products with their floating point
operations, the training step of a perceptron with neither. Times are the medians of runs between events.
--small tries the script itself on small tensors. Each framework has a process of its own, as both bring
libraries of the same names.
"""

import argparse
import importlib
import json
import statistics
import sys


class Sizes:
    """Of the tensors: large enough to fill a device, or small."""

    def __init__(self, small):
        self.wide = (64, 64) if small else (8192, 4096)
        self.image = (4, 4, 16, 16) if small else (64, 128, 64, 64)
        self.rows = 32 if small else 4096
        self.products = (16,) if small else (1024, 4096)
        self.batch, self.features, self.hidden = (4, 8, 16) if small else (512, 1024, 4096)
        self.runs = 1 if small else 30


def seconds(framework, function, runs):
    """The median time of function() on the device, after a sixth of the runs to warm up."""
    for _ in range(1 + runs // 6):
        function()
    times = []
    for _ in range(runs):
        start = framework.cuda.Event(enable_timing=True)
        end = framework.cuda.Event(enable_timing=True)
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)


def memory_bound(framework, sizes):
    """name -> (function, bytes that it must move at least)"""
    f = framework.nn.functional
    wide, y = (framework.randn(*sizes.wide, device="cuda") for _ in range(2))
    x, image = wide.reshape(-1), wide.reshape(sizes.image)
    half = x.to(framework.bfloat16)
    rows = framework.randint(0, sizes.wide[0], (sizes.rows,), device="cuda")
    ones = framework.ones(sizes.wide[1], device="cuda")
    size = 4 * x.numel()
    return {
        "copy": (lambda: x.clone(), 2 * size),
        "add": (lambda: wide + y, 3 * size),
        "add, bfloat16": (lambda: half + half, 2 * size // 2 + size // 2),
        "add of a row to each": (lambda: wide + wide[0], 2 * size),
        "transpose": (lambda: wide.t().contiguous(), 2 * size),
        "gelu": (lambda: f.gelu(x), 2 * size),
        "sum": (lambda: x.sum(), size),
        "sum of rows": (lambda: wide.sum(1), size),
        "sum of columns": (lambda: wide.sum(0), size),
        "softmax": (lambda: f.softmax(wide, 1), 2 * size),
        "layer norm": (lambda: f.layer_norm(wide, (sizes.wide[1],), ones, ones), 2 * size),
        "max pooling": (lambda: f.max_pool2d(image, 2), size + size // 4),
        "index_select": (lambda: wide.index_select(0, rows), 2 * size * sizes.rows // sizes.wide[0]),
        "dropout": (lambda: f.dropout(x, 0.1), 2 * size),
        "normal_": (lambda: y.normal_(), size),
    }


def products(framework, sizes):
    """name -> (function, floating point operations)"""
    found = {}
    for name in ("float32", "bfloat16", "float16", "float64"):
        for n in sizes.products:
            a = framework.randn(n, n, device="cuda").to(getattr(framework, name))
            found[f"{name} {n}"] = (lambda a=a: a @ a, 2 * n**3)
    return found


def step(framework, sizes):
    """A training step of a perceptron as a function."""
    nn = framework.nn
    layers = [nn.Linear(sizes.features, sizes.hidden), nn.GELU(), nn.Linear(sizes.hidden, sizes.features)]
    model = nn.Sequential(*layers).to("cuda")
    optimizer = framework.optim.AdamW(model.parameters())
    x = framework.randn(sizes.batch, sizes.features, device="cuda")

    def run():
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=["taper", "torch"])
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    framework = importlib.import_module(options.framework)
    if not framework.cuda.is_available():
        sys.exit(f"{options.framework} sees no GPU")
    sizes = Sizes(options.small)
    kinds = {
        "bandwidth": lambda: memory_bound(framework, sizes),
        "products": lambda: products(framework, sizes),
        "step": lambda: {"training step": (step(framework, sizes), 0)},
    }
    for kind, cases in kinds.items():
        for name, (function, amount) in cases().items():
            line = {"kind": kind, "name": name, "amount": amount}
            try:
                line["seconds"] = seconds(framework, function, sizes.runs)
            except Exception as error:  # what one operation cannot do shall not hide the others' times
                line["error"] = str(error).splitlines()[0]
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
