"""The command line of the benchmarks."""

import argparse
import os
import sys

from . import native, neighbour, pictures, report, results
from .footprint import footprint
from .machine import processor
from .runner import compare, importable, limits, module_of
from .workloads import all_workloads


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Times Taper beside other frameworks on this machine: the same workloads, alternating, each "
            "framework in a process of its own. Writes benchmarks.json, benchmarks.md and pictures."
        ),
    )
    add = parser.add_argument
    add("--vs", default="torch", help="frameworks to compare with, e.g. torch,tensorflow; '' for none")
    add("--threads", default="1", help="thread counts, e.g. 1,2; two of them also tell how times scale")
    add("--only", default="", help="workloads whose group or name contains one of these, e.g. conv,sort")
    add("--rounds", type=int, default=5, help="rounds of each workload")
    add("--seconds", type=float, default=0.04, help="time of a workload in a round")
    add(
        "--python",
        action="append",
        default=[],
        metavar="FRAMEWORK=PATH",
        help="the interpreter that has this framework, where it is not this one",
    )
    add("--out", default="build/benchmarks", help="folder of the results")
    add("--write", metavar="PAGE", help="also write the report into this page, and its pictures beside it")
    add(
        "--from", dest="measured", metavar="JSON", help="report what an earlier run measured; measure nothing"
    )
    add("--list", action="store_true", help="print the workloads and end")
    return parser.parse_args()


def chosen(only):
    """The workloads that were asked for."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    return [
        workload
        for workload in all_workloads()
        if not words or any(word in workload.title.lower() for word in words)
    ]


def frameworks_of(vs):
    """Taper, then those to compare with. TensorFlow is timed as it is, and in a graph."""
    names = ["taper"]
    for name in vs.split(","):
        if name.strip():
            names += [name.strip(), "tensorflow_graph"] if name.strip() == "tensorflow" else [name.strip()]
    return names


def installed(names, pythons):
    """Versions of the frameworks that import."""
    found = {module: importable(module, pythons[module]) for module in dict.fromkeys(map(module_of, names))}
    versions = {name: found[module_of(name)] for name in names}
    for name, version in versions.items():
        if version is None:
            print(f"{name} does not import in {pythons[name]}; left out", file=sys.stderr)
    if versions["taper"] is None:
        raise SystemExit("taper does not import: build it first (make build)")
    return {name: version for name, version in versions.items() if version is not None}


def show(limits):
    """What prints one line per workload while they run."""

    def line(workload, result):
        cells = [
            f"{report.label(name)} {report.cell(result, name) if 'min' in entry else entry['error'][:60]}"
            for name, entry in result.items()
        ]
        if reached := results.share(workload, result, limits):
            cells.append(f"limit {report.duration(limits.seconds(workload))} ({reached:.0%})")
        print(f"{workload.title:<66} " + "  ".join(cells), flush=True)

    return line


def begin(options):
    """(what is to be filled, interpreters of the frameworks)."""
    names = frameworks_of(options.vs)
    own = dict(entry.split("=", 1) for entry in options.python)
    pythons = {name: own.get(module_of(name), sys.executable) for name in names}
    return results.Measured(processor(), installed(names, pythons), []), pythons


def measure(options, measured, pythons):
    versions, counts = list(measured.versions), [int(count) for count in options.threads.split(",")]
    for threads in counts:
        most = limits(threads)
        print(f"{threads} thread(s): {most.peak / 1e9:.0f} GFLOP/s, {most.memory / 1e9:.1f} GB/s", flush=True)
        run = results.Run(threads, most, {})
        measured.runs.append(run)
        compare(
            chosen(options.only),
            versions,
            threads,
            options.rounds,
            options.seconds,
            pythons,
            run.results,
            show(most),
        )
    if not options.only:
        measured.native = native.compare()
        measured.footprint = footprint([name for name in versions if "_" not in name], pythons)
        peers = [name for name in versions if "tensorflow" not in name]
        measured.neighbour = neighbour.compare(peers, pythons) if len(counts) > 1 else {}


def write(measured, options):
    folder = options.out
    os.makedirs(folder, exist_ok=True)
    drawn = pictures.all_of(measured)
    for (name, _), picture in drawn.items():
        put(folder, name, picture)
    put(folder, "benchmarks.json", results.to_json(measured))
    put(
        folder,
        "benchmarks.md",
        "# Benchmarks\n\n" + report.as_markdown(measured, [(text, name) for name, text in drawn]),
    )
    print(f"written to {folder}")
    if options.write:
        write_page(measured, options.write, drawn)


def write_page(measured, page, drawn):
    """Into the page, with the pictures in a folder of its name."""
    stem = os.path.splitext(page)[0]
    os.makedirs(stem, exist_ok=True)
    for (name, _), picture in drawn.items():
        put(stem, name, picture)
    with open(page) as file:
        old = file.read()
    paths = [(text, f"{os.path.basename(stem)}/{name}") for name, text in drawn]
    put("", page, report.inside(old, report.as_markdown(measured, paths)))
    print(f"written into {page}")


def put(folder, name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)


def main():
    options = arguments()
    if options.list:
        print("\n".join(workload.title for workload in chosen(options.only)))
    elif options.measured:
        with open(options.measured) as file:
            write(results.from_json(file.read(), all_workloads()), options)
    else:
        measured, pythons = begin(options)
        try:
            measure(options, measured, pythons)
        except KeyboardInterrupt:
            print("interrupted: the report has what was measured so far", file=sys.stderr)
        write(measured, options)


if __name__ == "__main__":
    main()
