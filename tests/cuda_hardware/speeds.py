"""Times on a GPU, as fractions of what the device does at best, and beside PyTorch's where that is installed.

Memory-bound operations are compared with a copy on the device of the same number of bytes; products with the largest of
their kind. Times are the medians of runs between events.
"""

import statistics

import taper

ELEMENTS = 2**25
WIDE, TALL = (8192, 4096), (4096, 8192)


def peer():
    """PyTorch, where it is installed and sees a GPU; else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def seconds(framework, function, runs=30):
    """The median time of function() on the device."""
    times = []
    for run in range(runs + 5):
        start = framework.cuda.Event(enable_timing=True)
        end = framework.cuda.Event(enable_timing=True)
        start.record()
        function()
        end.record()
        end.synchronize()
        if run >= 5:
            times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)


def memory_bound(framework):
    """name -> (function, bytes that it must move at least)"""
    f = framework.nn.functional
    x = framework.randn(ELEMENTS, device="cuda")
    y = framework.randn(ELEMENTS, device="cuda")
    wide, image = x.reshape(WIDE), x.reshape(64, 128, 64, 64)
    half, rows = x.to(framework.bfloat16), framework.randint(0, WIDE[0], (TALL[0],), device="cuda")
    ones = framework.ones(WIDE[1], device="cuda")
    size = 4 * ELEMENTS
    return {
        "copy": (lambda: x.clone(), 2 * size),
        "add": (lambda: x + y, 3 * size),
        "add, bfloat16": (lambda: half + half, 2 * size // 2 + size // 2),
        "add of a row to each": (lambda: wide + wide[0], 2 * size),
        "transpose": (lambda: wide.t().contiguous(), 2 * size),
        "gelu": (lambda: f.gelu(x), 2 * size),
        "sum": (lambda: x.sum(), size),
        "sum of rows": (lambda: wide.sum(1), size),
        "sum of columns": (lambda: wide.sum(0), size),
        "softmax": (lambda: f.softmax(wide, 1), 2 * size),
        "layer norm": (lambda: f.layer_norm(wide, (WIDE[1],), ones, ones), 2 * size),
        "max pooling": (lambda: f.max_pool2d(image, 2), size + size // 4),
        "index_select": (lambda: wide.index_select(0, rows), size),
        "dropout": (lambda: f.dropout(x, 0.1), 2 * size),
        "normal_": (lambda: y.normal_(), size),
    }


def products(framework):
    """name -> (function, floating point operations)"""
    found = {}
    for name in ("float32", "bfloat16", "float16", "float64"):
        for n in (1024, 4096):
            a = framework.randn(n, n, device="cuda").to(getattr(framework, name))
            found[f"{name} {n}"] = (lambda a=a: a @ a, 2 * n**3)
    return found


def step(framework):
    """A training step of a perceptron as a function."""
    nn = framework.nn
    layers = [nn.Linear(1024, 4096), nn.GELU(), nn.Linear(4096, 1024)]
    model = nn.Sequential(*layers).to("cuda")
    optimizer = framework.optim.AdamW(model.parameters())
    x = framework.randn(512, 1024, device="cuda")

    def run():
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return run


def beside(torch, theirs, name, time):
    """The columns of PyTorch: its time, and how much of it ours is."""
    if torch is None:
        return "| - | - |"
    other = seconds(torch, theirs[name][0])
    return f"| {other * 1e3:.3f} | {time / other:.2f} |"


def tables():
    """The lines of the report."""
    torch = peer()
    lines = ["## Bandwidth", "", "| operation | ms | GB/s | of a copy | PyTorch ms | times PyTorch's |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    ours, theirs = memory_bound(taper), memory_bound(torch) if torch else {}
    best = None
    for name, (function, moved) in ours.items():
        time = seconds(taper, function)
        rate = moved / time / 1e9
        best = best or rate
        lines.append(
            f"| {name} | {time * 1e3:.3f} | {rate:.0f} | {rate / best:.2f} {beside(torch, theirs, name, time)}"
        )
    lines += [
        "",
        "## Products",
        "",
        "| product | ms | TFLOP/s | PyTorch ms | times PyTorch's |",
        "| --- | --- | --- | --- | --- |",
    ]
    ours, theirs = products(taper), products(torch) if torch else {}
    for name, (function, operations) in ours.items():
        time = seconds(taper, function)
        lines.append(
            f"| {name} | {time * 1e3:.3f} | {operations / time / 1e12:.1f} {beside(torch, theirs, name, time)}"
        )
    time = seconds(taper, step(taper))
    other = f", PyTorch {seconds(torch, step(torch)) * 1e3:.2f} ms" if torch else ""
    lines += ["", f"Training step of a perceptron (8.4 M parameters, AdamW): {time * 1e3:.2f} ms{other}"]
    return lines
