"""What a framework weighs: import time, memory, installed size, and the time to compile a user's C++ program."""

import os
import shutil
import subprocess
import sys
import tempfile

from .runner import ROOT, environment

IMPORT = """
import resource, sys, time
import numpy
start = time.perf_counter()
import {framework}
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""

# The package, and the libraries it loads that belong to neither the system, nor Python, nor another package.
SIZE = """
import os, sys, {framework}
top = os.path.dirname({framework}.__file__)
files = {{os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names}}
with open("/proc/self/maps") as maps:
    libraries = {{line.split()[-1] for line in maps if ".so" in line}}
files |= {{path for path in libraries if not path.startswith(("/usr", "/lib", sys.base_prefix)) and "site-packages" not in path}}
print(sum(os.path.getsize(path) for path in files if os.path.isfile(path) and not os.path.islink(path)))
"""

STEP = """
import resource
import {framework} as torch
from benchmarks import nets
from benchmarks.workloads.training import images, step
torch.set_num_threads(1)
train = step(nets.resnet18, lambda t: images(t, 16, 3, 32))(torch)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(3):
    train()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""

PROGRAM = """#include <taper/taper.h>
int main() { return int(taper::randn({2, 3}).numel()) - 6; }
"""


def _numbers(python, program, rounds=1):
    runs = []
    for _ in range(rounds):
        done = subprocess.run(
            [python, "-c", program], cwd=ROOT, env=environment(1), capture_output=True, text=True
        )
        if done.returncode != 0:
            return None
        runs.append([float(word) for word in done.stdout.split()])
    return [min(column) for column in zip(*runs)]


def _compile_seconds():
    """CPU seconds of a two-line program; None without a compiler."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "program.cc")
        with open(source, "w") as file:
            file.write(PROGRAM)
        before = os.times()
        command = [
            compiler,
            "-std=c++20",
            "-O2",
            "-c",
            source,
            "-o",
            source + ".o",
            "-I",
            os.path.join(ROOT, "include"),
        ]
        if subprocess.run(command, capture_output=True).returncode != 0:
            return None
        after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)


def footprint(frameworks, pythons):
    """Rows (what, unit, {framework: number})."""
    rows = {
        "import, beyond NumPy": "s",
        "memory after import": "B",
        "installed size": "B",
        "peak memory of three ResNet-18 steps, beyond the start": "B",
        "a C++ program of two lines, compiled": "s",
    }
    table = {name: {} for name in rows}
    for name in frameworks:
        python = pythons.get(name, sys.executable)
        imported = _numbers(python, IMPORT.format(framework=name), rounds=5)
        if imported:
            table["import, beyond NumPy"][name], table["memory after import"][name] = imported
        size = _numbers(python, SIZE.format(framework=name))
        if size:
            table["installed size"][name] = size[0]
        peak = _numbers(python, STEP.format(framework=name)) if name != "tensorflow" else None
        if peak:
            table["peak memory of three ResNet-18 steps, beyond the start"][name] = peak[0]
    compiled = _compile_seconds()
    if compiled is not None:
        table["a C++ program of two lines, compiled"]["taper"] = compiled
    return [(name, unit, table[name]) for name, unit in rows.items()]
