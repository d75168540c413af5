"""The command line of the benchmarks."""

import argparse
import os
import sys

from . import report
from .footprint import footprint
from .machine import processor
from .runner import compare, importable, limits
from .workloads import all_workloads


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Times Taper beside other frameworks on this machine: the same workloads, alternating, each framework in a "
            "process of its own. Writes benchmarks.json, benchmarks.md and pictures."
        ),
    )
    parser.add_argument(
        "--vs", default="torch", help="frameworks to compare with, e.g. torch,tensorflow; '' for none"
    )
    parser.add_argument("--threads", default="1", help="thread counts, e.g. 1,2")
    parser.add_argument(
        "--only", default="", help="workloads whose group or name contains one of these, e.g. conv,sort"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each workload")
    parser.add_argument("--seconds", type=float, default=0.1, help="time of a workload in a round")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="FRAMEWORK=PATH",
        help="the interpreter that has this framework, where it is not this one",
    )
    parser.add_argument("--out", default="build/benchmarks", help="folder of the results")
    parser.add_argument("--list", action="store_true", help="print the workloads and end")
    return parser.parse_args()


def chosen(only):
    """(index, workload) of those that were asked for."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    return [
        (index, workload)
        for index, workload in enumerate(all_workloads())
        if not words or any(word in workload.title.lower() for word in words)
    ]


def installed(names, pythons):
    """Versions of the frameworks that import, Taper first."""
    versions = {name: importable(name, pythons[name]) for name in names}
    for name, version in versions.items():
        if version is None:
            print(f"{name} is not installed for {pythons[name]}; left out", file=sys.stderr)
    if versions["taper"] is None:
        raise SystemExit("taper does not import: build it first (make build)")
    return {name: version for name, version in versions.items() if version is not None}


def show(workload, result):
    """One line per workload while they run."""
    times = "  ".join(
        f"{name} {report.duration(entry['min']) if 'min' in entry else entry['error'][:60]}"
        for name, entry in result.items()
    )
    ratios = "  ".join(
        f"{number:.2f}x" for name in result if name != "taper" and (number := report.ratio(result, name))
    )
    print(f"{workload.title:<66} {times}  {ratios}", flush=True)


def write(folder, runs, versions, weights):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "benchmarks.json"), "w") as file:
        file.write(report.as_json(runs, versions, processor(), weights))
    with open(os.path.join(folder, "benchmarks.md"), "w") as file:
        file.write(report.as_markdown(runs, versions, processor(), weights))
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("matplotlib is not installed: no pictures", file=sys.stderr)
        return
    for threads, limit, results in runs:
        for other in list(versions)[1:]:
            report.draw_ratios(results, other, os.path.join(folder, f"{other}_{threads}.svg"))
        report.draw_roofline(results, list(versions), limit, os.path.join(folder, f"roofline_{threads}.svg"))


def main():
    options = arguments()
    workloads = chosen(options.only)
    if options.list:
        print("\n".join(workload.title for _, workload in workloads))
        return
    names = ["taper"] + [name.strip() for name in options.vs.split(",") if name.strip()]
    pythons = {
        **{name: sys.executable for name in names},
        **dict(entry.split("=", 1) for entry in options.python),
    }
    versions = installed(names, pythons)
    runs = []
    for threads in map(int, options.threads.split(",")):
        limit = limits(threads)
        print(f"{threads} thread(s): {limit[0] / 1e9:.0f} GFLOP/s, {limit[1] / 1e9:.1f} GB/s", flush=True)
        runs.append(
            (
                threads,
                limit,
                compare(workloads, list(versions), threads, options.rounds, options.seconds, pythons, show),
            )
        )
    weights = footprint(list(versions), pythons) if not options.only else []
    write(options.out, runs, versions, weights)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
