"""Training beside a busy neighbour: python -m benchmarks.neighbour.

Steps of the MLP 784-512-512-10 on two processors, with one thread and with two, alone and while another
process keeps one processor busy. Two threads must not fall behind one because the second thread's processor
is taken.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time

from .machine import pin
from .runner import ROOT, environment

WINDOW = 0.1  # seconds over which a rate is taken
TURN = 5  # windows with one thread, then as many with two
BATCH = 128
SITUATIONS = ("1 thread", "2 threads", "1 thread, neighbour", "2 threads, neighbour")


def rates(framework, turns):
    """{number of threads: samples per second, window by window}; they take turns, so both meet the same
    machine."""
    from .workloads.training import cases, step

    torch = importlib.import_module(framework)
    net, _, inputs, target, _ = cases()["MLP 784-512-512-10, batch 128"]
    train = step(net, inputs, target)(torch)
    found = {1: [], 2: []}
    for _ in range(turns):
        for threads, rates in found.items():
            torch.set_num_threads(threads)
            train()
            rates += [rate(train) for _ in range(TURN)]
    return found


def rate(train):
    """Samples per second of one window."""
    start, steps = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < WINDOW:
        train()
        steps += 1
    return steps * BATCH / spent


def _measure(python, framework, turns, busy):
    """What rates() of a process returns; nothing where it fails."""
    neighbour = None
    if busy:
        program = "import benchmarks.machine as m; m.pin(2)\nwhile True: pass"
        neighbour = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        done = subprocess.run(
            [python, "-m", "benchmarks.neighbour", "--rates", framework, str(turns)],
            cwd=ROOT,
            env=environment(2),
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{framework} beside a neighbour: {error}", file=sys.stderr)
        return {}
    finally:
        if neighbour:
            neighbour.kill()
            neighbour.wait()
    return json.loads(done.stdout.splitlines()[-1])


def compare(frameworks, pythons, rounds=3, turns=3):
    """{framework: {situation: {"median", "worst"} in samples/s}}. Empty without a second processor."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if processors < 2:
        return {}
    windows = {name: {situation: [] for situation in SITUATIONS} for name in frameworks}
    for _ in range(rounds):
        for name in frameworks:
            for situations in (SITUATIONS[:2], SITUATIONS[2:]):
                found = _measure(pythons[name], name, turns, "neighbour" in situations[0])
                for situation, rates in zip(situations, found.values()):
                    windows[name][situation] += rates
    return {
        name: {
            situation: {"median": statistics.median(every), "worst": min(every)}
            for situation, every in found.items()
        }
        for name, found in windows.items()
        if all(found.values())
    }


def kept(found):
    """(median, worst) of two threads beside the neighbour over those of one thread beside it."""
    one, two = found["1 thread, neighbour"], found["2 threads, neighbour"]
    return two["median"] / one["median"], two["worst"] / one["worst"]


def as_markdown(measured):
    """Lines of a table."""
    lines = [
        "| MLP 784-512-512-10, samples/s: median (worst) | " + " | ".join(measured) + " |",
        "| --- |" + " --- |" * len(measured),
    ]
    for situation in SITUATIONS:
        cells = [
            f"{found[situation]['median']:,.0f} ({found[situation]['worst']:,.0f})"
            for found in measured.values()
        ]
        lines.append(f"| {situation} | " + " | ".join(cells) + " |")
    cells = ["{:.0%} ({:.0%})".format(*kept(found)) for found in measured.values()]
    lines.append("| 2 threads of 1, beside the neighbour | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour", description=__doc__)
    parser.add_argument("--rates", nargs=2, metavar=("FRAMEWORK", "TURNS"), help=argparse.SUPPRESS)
    parser.add_argument("--vs", default="torch", help="frameworks to compare with; '' for none")
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.rates:
        pin(2)
        framework, turns = options.rates
        print(json.dumps(rates(framework, int(turns))))
        return
    names = ["taper", *(name for name in options.vs.split(",") if name)]
    pythons = dict.fromkeys(names, sys.executable) | dict(e.split("=", 1) for e in options.python)
    print("\n".join(as_markdown(compare(names, pythons, options.rounds))))


if __name__ == "__main__":
    main()
