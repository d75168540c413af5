"""Times the C++ interface beside libtorch's: python -m benchmarks.native, after make bench-cpp has built the
programs.

The programs of benchmarks/cpp, Google Benchmark's, run in turn with one thread; least times of all rounds.
"""

import argparse
import json
import os
import subprocess

from .results import OWN
from .runner import ROOT, environment

FOLDER = os.path.join(ROOT, "build", "benchmarks", "cpp")
FRAMEWORKS = (OWN, "torch")
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def times_of(report):
    """{name: seconds} of what a Google Benchmark program wrote as JSON."""
    return {
        row["name"]: row["real_time"] * UNITS[row["time_unit"]]
        for row in json.loads(report)["benchmarks"]
        if row.get("run_type", "iteration") == "iteration" and not row.get("error_occurred")
    }


def compare(rounds=3, only="", folder=FOLDER):
    """{benchmark: {framework: seconds}}; empty where nothing was built."""
    programs = {name: os.path.join(folder, f"bench_{name}") for name in FRAMEWORKS}
    programs = {name: program for name, program in programs.items() if os.access(program, os.X_OK)}
    found = {}
    for _ in range(rounds):
        for framework, program in programs.items():
            done = subprocess.run(
                [
                    program,
                    "--benchmark_format=json",
                    "--benchmark_min_time=0.05",
                    f"--benchmark_filter={only}",
                ],
                env=environment(1),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            if done.returncode != 0:
                continue
            for name, time in times_of(done.stdout).items():
                row = found.setdefault(name, {})
                row[framework] = min(time, row.get(framework, time))
    return found


def main():
    from .report import native_of

    parser = argparse.ArgumentParser(prog="python -m benchmarks.native", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="a regular expression of the names")
    options = parser.parse_args()
    times = compare(options.rounds, options.only)
    print("\n".join(native_of(times)) if times else "nothing is built: make bench-cpp")


if __name__ == "__main__":
    main()
