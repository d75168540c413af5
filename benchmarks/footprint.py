"""What a framework weighs: import time, memory, installed size, and the time to compile a user's C++
program."""

import os
import resource
import shutil
import subprocess
import tempfile
import time

from .results import OWN
from .runner import ROOT, environment

IMPORT = """
import resource, time
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
system = ("/usr", "/lib", sys.base_prefix)
files |= {{path for path in libraries if not path.startswith(system) and "site-packages" not in path}}
print(sum(os.path.getsize(path) for path in files if os.path.isfile(path) and not os.path.islink(path)))
"""

STEPS = """
import resource
from benchmarks.worker import framework_of
from benchmarks.workloads import all_workloads
workload = next(workload for workload in all_workloads() if workload.title == "training: {net}")
framework = "{framework}_graph" if "{framework}" == "tensorflow" else "{framework}"
train = workload.maker(framework)(framework_of(framework, 1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(3):
    train()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
NETS = ("ResNet-18, 16 x 32 x 32", "GPT 4 x 192, 8 x 128")

PROGRAM = """#include <{framework}/{framework}.h>
int main() {{ return int({framework}::randn({{2, 3}}).numel()) - 6; }}
"""


def _numbers(python, program, rounds=1, longest=10):
    """The least of what a program prints, over so many runs, or fewer when they take long; None if it
    fails."""
    runs, start = [], time.perf_counter()
    while len(runs) < rounds and (not runs or time.perf_counter() - start < longest):
        done = subprocess.run(
            [python, "-c", program], check=False, cwd=ROOT, env=environment(1), capture_output=True, text=True
        )
        if done.returncode != 0:
            return None
        runs.append([float(word) for word in done.stdout.split()])
    return [min(column) for column in zip(*runs)]


def _include_folders(framework, python):
    """Where a framework's C++ headers are; empty where it has none."""
    if framework == OWN:
        return [os.path.join(ROOT, "include")]
    program = f"import {framework}, os; print(os.path.join(os.path.dirname({framework}.__file__), 'include'))"
    done = subprocess.run([python, "-c", program], check=False, capture_output=True, text=True)
    top = done.stdout.strip()
    folders = [top, os.path.join(top, "torch", "csrc", "api", "include")]
    return folders if framework == "torch" and os.path.isdir(folders[1]) else []


def _compile_seconds(framework, folders):
    """CPU seconds of a two-line program; None without a compiler or headers."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None or not folders:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "program.cc")
        with open(source, "w") as file:
            file.write(PROGRAM.format(framework=framework))
        command = [compiler, "-std=c++20", "-w", "-c", source, "-o", source + ".o"]
        command += [word for path in folders for word in ("-I", path)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            return None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def footprint(frameworks, pythons):
    """Rows (what, unit, {framework: number})."""
    rows = {}

    def put(what, unit, framework, number):
        numbers = rows.setdefault((what, unit), {})
        if number is not None:
            numbers[framework] = number

    for name in frameworks:
        python = pythons[name]
        imported = _numbers(python, IMPORT.format(framework=name), rounds=3) or (None, None)
        put("import, beyond NumPy", "s", name, imported[0])
        put("memory after import", "B", name, imported[1])
        (size,) = _numbers(python, SIZE.format(framework=name)) or (None,)
        put("installed size", "B", name, size)
        for net in NETS:
            (peak,) = _numbers(python, STEPS.format(framework=name, net=net)) or (None,)
            put(f"peak memory of three steps of {net}, beyond what the net itself takes", "B", name, peak)
        compiled = _compile_seconds(name, _include_folders(name, python))
        put("CPU time to compile a C++ program of two lines", "s", name, compiled)
    return [(what, unit, numbers) for (what, unit), numbers in rows.items()]
