"""The results as JSON, as a Markdown table, and as pictures."""

import json
import math


def duration(seconds):
    """Three digits and a unit."""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def amount(number, unit):
    """A number of footprint()."""
    if unit == "s":
        return duration(number)
    return f"{number / 1e6:.3g} MB"


def ratio(result, other, own="taper"):
    """The other's time over Taper's; None where either has none."""
    if "min" not in result.get(own, {}) or "min" not in result.get(other, {}):
        return None
    return result[other]["min"] / result[own]["min"]


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def share_of_limit(workload, seconds, peak, bandwidth):
    """What of the machine's limit a time reaches; None where the workload states no bytes and no flops."""
    least = max(workload.flops / peak, workload.bytes / bandwidth)
    return least / seconds if least else None


def as_json(runs, versions, processor, footprint):
    """All figures. runs: a list of (threads, (peak, bandwidth), results)."""
    return json.dumps(
        {
            "processor": processor,
            "versions": versions,
            "runs": [
                {
                    "threads": threads,
                    "peak_flops": limit[0],
                    "bandwidth": limit[1],
                    "results": [
                        {
                            "group": workload.group,
                            "name": workload.name,
                            "flops": workload.flops,
                            "bytes": workload.bytes,
                            **result,
                        }
                        for workload, result in results.items()
                    ],
                }
                for threads, limit, results in runs
            ],
            "footprint": [{"name": name, "unit": unit, **numbers} for name, unit, numbers in footprint],
        },
        indent=1,
    )


def table_of(results, frameworks, limit):
    """One run as Markdown."""
    others = [name for name in frameworks if name != "taper"]
    head = ["workload", *frameworks, *(f"{name} / taper" for name in others), "of the limit"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for workload, result in results.items():
        cells = [workload.title]
        cells += [duration(result[name]["min"]) if "min" in result[name] else "-" for name in frameworks]
        cells += [f"{ratio(result, name):.2f}" if ratio(result, name) else "-" for name in others]
        share = share_of_limit(workload, result["taper"]["min"], *limit) if "min" in result["taper"] else None
        cells.append(f"{share:.0%}" if share else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def summary_of(results, others):
    """The geometric mean of the ratios in each group, as Markdown."""
    groups = {}
    for workload, result in results.items():
        for other in others:
            number = ratio(result, other)
            if number:
                groups.setdefault(workload.group, {}).setdefault(other, []).append(number)
    lines = [
        "| group | " + " | ".join(f"{name} / taper, mean (least)" for name in others) + " |",
        "| --- |" + " --- |" * len(others),
    ]
    for group, numbers in groups.items():
        cells = [
            f"{geometric_mean(numbers[name]):.2f} ({min(numbers[name]):.2f})" if name in numbers else "-"
            for name in others
        ]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return lines


def as_markdown(runs, versions, processor, footprint):
    """The report."""
    frameworks = list(versions)
    others = [name for name in frameworks if name != "taper"]
    lines = [
        "# Benchmarks",
        "",
        f"{processor}; " + ", ".join(f"{name} {text}" for name, text in versions.items()) + ".",
        "Times are minima of rounds in which the frameworks alternate, each in a process of its own. A ratio above 1"
        " says that Taper is faster; the last column says what Taper reaches of what this machine can do.",
    ]
    for threads, limit, results in runs:
        peak, bandwidth = limit
        lines += [
            "",
            f"## {threads} thread{'s' * (threads > 1)}",
            "",
            f"Matrix peak {peak / 1e9:.0f} GFLOP/s, memory {bandwidth / 1e9:.1f} GB/s.",
            "",
        ]
        if others:
            lines += summary_of(results, others) + [""]
        lines += table_of(results, frameworks, limit)
    if footprint:
        lines += [
            "",
            "## Weight",
            "",
            "| what | " + " | ".join(frameworks) + " |",
            "|" + " --- |" * (len(frameworks) + 1),
        ]
        for name, unit, numbers in footprint:
            cells = [
                amount(numbers[framework], unit) if framework in numbers else "-" for framework in frameworks
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw_ratios(results, other, path):
    """Bars of the other's time over Taper's, on a logarithmic axis."""
    from matplotlib.figure import Figure

    rows = [
        (workload.title, ratio(result, other)) for workload, result in results.items() if ratio(result, other)
    ]
    if not rows:
        return
    figure = Figure(figsize=(9, 1 + 0.19 * len(rows)), layout="constrained")
    axes = figure.subplots()
    names, numbers = zip(*rows[::-1])
    axes.barh(
        names,
        [number - 1 for number in numbers],
        left=1,
        color=["tab:green" if number >= 1 else "tab:red" for number in numbers],
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel(f"time of {other} / time of taper")
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.005)
    figure.savefig(path)


def draw_roofline(results, frameworks, limit, path):
    """What each workload reaches, beside what the machine allows: Williams et al. 2009."""
    from matplotlib.figure import Figure

    peak, bandwidth = limit
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    known = [workload for workload in results if workload.flops and workload.bytes]
    low, high = 2.0**-4, 2.0**10
    axes.plot([low, peak / bandwidth, high], [low * bandwidth / 1e9, peak / 1e9, peak / 1e9], color="black")
    for name in frameworks:
        points = [
            (workload.flops / workload.bytes, workload.flops / results[workload][name]["min"] / 1e9)
            for workload in known
            if "min" in results[workload][name]
        ]
        if points:
            axes.scatter(*zip(*points), label=name, s=18)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("FLOP per byte")
    axes.set_ylabel("GFLOP/s")
    axes.legend()
    figure.savefig(path)
