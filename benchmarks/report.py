"""The results as Markdown, by itself or inside a page that somebody wrote."""

from . import goals, neighbour
from .results import OWN, geometric_mean, ratio, seconds, share, speedups

BEGIN = "<!-- begin: written by python -m benchmarks --write -->"
END = "<!-- end -->"


def duration(seconds):
    """Three digits and a unit."""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def amount(number, unit):
    """A number of footprint()."""
    return duration(number) if unit == "s" else f"{number / 1e6:,.4g} MB"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [line(cells), "|" + " --- |" * len(cells)]


def label(framework):
    return framework.replace("_", ", ")


def cell(result, framework):
    """A time, and how much longer that is than Taper's."""
    time, longer = seconds(result, framework), ratio(result, framework)
    if time is None:
        return "-" if framework in result else ""
    return f"{duration(time)} ({longer:.2f})" if longer and framework != OWN else duration(time)


def table_of(run, frameworks):
    """Every figure of a run."""
    lines = head(["workload", *map(label, frameworks), "limit"])
    for workload, result in run.results.items():
        least, reached = run.limits.seconds(workload), share(workload, result, run.limits)
        limit = f"{duration(least)} ({reached:.0%})" if reached else ""
        lines.append(line([workload.title, *(cell(result, name) for name in frameworks), limit]))
    return lines


def summary_of(run, others):
    """The ratios of each group."""
    found = {}
    for workload, result in run.results.items():
        for other in others:
            if number := ratio(result, other):
                found.setdefault(workload.group, {}).setdefault(other, []).append(number)
    lines = head(["group", *(f"{label(name)} / taper: mean (least)" for name in others)])
    for group, numbers in found.items():
        cells = [
            f"{geometric_mean(numbers[name]):.2f} ({min(numbers[name]):.2f})" if name in numbers else ""
            for name in others
        ]
        lines.append(line([group, *cells]))
    return lines


def scaling_of(measured):
    """How much faster each workload is with the most threads than with the fewest."""
    frameworks = list(measured.versions)
    found = {name: speedups(measured, name) for name in frameworks}
    lines = head(["workload", *map(label, frameworks)])
    for workload in measured.runs[0].results:
        numbers = [found[name].get(workload) for name in frameworks]
        if any(numbers):
            cells = [f"{number:.2f}" if number else "" for number in numbers]
            lines.append(line([workload.title, *cells]))
    return lines


def footprint_of(rows, frameworks):
    frameworks = [name for name in frameworks if any(name in numbers for *_, numbers in rows)]
    lines = head(["what", *frameworks])
    for what, unit, numbers in rows:
        cells = [amount(numbers[name], unit) if name in numbers else "-" for name in frameworks]
        lines.append(line([what, *cells]))
    return lines


def native_of(times):
    """The C++ interfaces beside each other."""
    frameworks = sorted({name for row in times.values() for name in row}, key=lambda name: name != OWN)
    lines = head(["C++, 1 thread", *map(label, frameworks)])
    for what, row in times.items():
        result = {name: {"min": time} for name, time in row.items()}
        lines.append(line([what, *(cell(result, name) for name in frameworks)]))
    return lines


def errors_of(measured):
    """What was asked for and not measured, with the reason."""
    return [
        f"- {run.threads} thread(s), {label(name)}, {workload.title}: "
        f"{' '.join(entry['error'].split())[:200]}"
        for run in measured.runs
        for workload, result in run.results.items()
        for name, entry in result.items()
        if "error" in entry
    ]


def threads_of(run):
    return f"{run.threads} thread{'s' * (run.threads > 1)}"


def introduction(measured):
    versions = ", ".join(f"{name} {text}" for name, text in measured.versions.items() if "_" not in name)
    peaks = "; ".join(
        f"with {threads_of(run)} {run.limits.peak / 1e9:.0f} GFLOP/s in a matrix product, "
        f"{run.limits.memory / 1e9:.1f} GB/s from memory"
        for run in measured.runs
    )
    return [
        f"{measured.processor}: {peaks}. {versions}.",
        "",
        "Times are the least of rounds in which the frameworks alternate, each in a process of its own; "
        "behind each, in parentheses, how many times Taper's it is. The limit is the least time that the "
        "work can take at the rates measured in the same run; behind it, what Taper reaches of that.",
    ]


def as_markdown(measured, pictures=()):
    """The whole report but its title. pictures: (description, path as seen from the page)."""
    parts = [introduction(measured)]

    def part(title, lines):
        if lines:
            parts.append([f"## {title}", "", *lines])

    goal_rows = goals.rows(measured)
    part("Goals", goals.as_markdown(goal_rows) if goal_rows else [])
    for run in measured.runs:
        if measured.others:
            part(f"Groups, {threads_of(run)}", summary_of(run, measured.others))
    part("Pictures", [f"![{text}]({path})" for text, path in pictures])
    part("A busy neighbour", neighbour.as_markdown(measured.neighbour) if measured.neighbour else [])
    part("From C++", native_of(measured.native) if measured.native else [])
    part("Weight", footprint_of(measured.footprint, measured.versions) if measured.footprint else [])
    for run in measured.runs:
        part(f"All figures, {threads_of(run)}", table_of(run, list(measured.versions)))
    if len(measured.runs) > 1:
        first, last = measured.runs[0].threads, measured.runs[-1].threads
        part(f"From {first} to {last} threads: how many times faster", scaling_of(measured))
    part("Not measured", errors_of(measured))
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def inside(page, report):
    """The page with the report between its two marks; everything else stays."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN!r} and {END!r} to write between")
    return f"{before}{begin}\n\n{report}\n{end}{after}"
