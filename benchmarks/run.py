"""Times Taper beside PyTorch, if that is installed: each workload in both, alternating, minimum of several rounds.

    python benchmarks/run.py [--rounds 5] [--only NAME] [--json FILE]

Every framework runs in a process of its own with one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import time


def seconds_per_call(function, least=0.2):
    """Calls function until `least` seconds are over; the mean time of a call."""
    function()
    count, total = 1, 0.0
    while total < least:
        start = time.perf_counter()
        for _ in range(count):
            function()
        total = time.perf_counter() - start
        if total < least:
            count = max(count * 2, int(count * least / max(total, 1e-9)))
    return total / count


def network_step(torch, model, shape, classes, optimizer):
    """One training step: forward, cross entropy, backward, optimizer."""
    x = torch.randn(*shape)
    y = torch.randint(0, classes, (shape[0],))
    optimizer = optimizer(model.parameters())
    loss_of = torch.nn.functional.cross_entropy

    def step():
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def workloads(torch):
    """Names and functions."""
    nn = torch.nn
    adam = lambda parameters: torch.optim.Adam(parameters, lr=1e-3)
    small, other = torch.randn(4), torch.randn(4)
    large, wide = torch.randn(4_000_000), torch.randn(4096, 1024)
    square = torch.randn(512, 512)
    tiny = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    mlp = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    cnn = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
                        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10))
    return {
        "a + b, 4 elements": lambda: small + other,
        "a + b, 4 M elements": lambda: large + large,
        "exp, 4 M elements": lambda: large.exp(),
        "sum, 4 M elements": lambda: large.sum(),
        "var, 4 M elements": lambda: large.var(),
        "softmax, 4096 x 1024": lambda: wide.softmax(1),
        "matmul, 512 x 512": lambda: square @ square,
        "sort, 1 M elements": lambda: large[:1_000_000].sort(),
        "randn, 4 M elements": lambda: torch.randn(4_000_000),
        "MLP step, 16-32-2, batch 32": network_step(torch, tiny, (32, 16), 2, adam),
        "MLP step, 784-512-512-10, batch 128": network_step(torch, mlp, (128, 784), 10, adam),
        "CNN step, digits, batch 64": network_step(torch, cnn, (64, 1, 28, 28), 10, adam),
    }


def measure(framework, only):
    """Runs in a process of its own: prints seconds by workload as JSON."""
    import importlib
    torch = importlib.import_module(framework)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(json.dumps({name: seconds_per_call(function) for name, function in workloads(torch).items() if only in name}))


def run_once(framework, only):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, __file__, "--measure", framework, "--only", only], env=environment,
                            capture_output=True, text=True)
    return json.loads(result.stdout) if result.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure, options.only)
    best = {"taper": {}, "torch": {}}
    for _ in range(options.rounds):
        for framework, times in best.items():
            for name, value in (run_once(framework, options.only) or {}).items():
                times[name] = min(value, times.get(name, value))
    print("| one thread | Taper | PyTorch | PyTorch / Taper |\n| --- | ---: | ---: | ---: |")
    for name, own in best["taper"].items():
        other = best["torch"].get(name)
        ratio = f"{1e6 * other:.1f} us | {other / own:.2f}" if other else "not installed | "
        print(f"| {name} | {1e6 * own:.1f} us | {ratio} |")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(best, file, indent=1)


if __name__ == "__main__":
    main()
