"""Pictures of the results as SVG: bars of the ratios, and rooflines."""

import math
from html import escape

from .results import OWN, ratio, seconds

COLORS = {OWN: "#d55e00", "torch": "#0072b2", "tensorflow": "#009e73", "tensorflow_graph": "#cc79a7"}
STYLE = "text{font:11px sans-serif;fill:#222}.small{font-size:9px}.axis{stroke:#999;stroke-width:.5}"


def document(width, height, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(str(words))}</text>'


def path(points, color, width=1.0):
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" fill="none" stroke="{color}" stroke-width="{width}"/>'


class Logarithmic:
    """An axis: numbers of [low, high] to places of [begin, end]."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, number):
        part = math.log(number / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)

    def powers(self, base):
        first, last = (math.log(number, base) for number in (self.low, self.high))
        return [base**power for power in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]


def ratios(run, other):
    """Bars of the other's time over Taper's, one a workload; None where nothing was measured in both."""
    rows = [(workload.title, ratio(result, other)) for workload, result in run.results.items()]
    rows = [(title, number) for title, number in rows if number]
    if not rows:
        return None
    left, width, row, top = 380, 860, 12, 40
    height = top + row * len(rows) + 10
    numbers = [number for _, number in rows]
    axis = Logarithmic(min(0.5, *numbers), max(2, *numbers), left, width - 40)
    parts = [text(left, 14, f"time of {other} / time of {OWN}, {run.threads} thread(s)")]
    for tick in axis.powers(2):
        parts.append(path([(axis(tick), top - 8), (axis(tick), height - 8)], "#ccc", 0.5))
        parts.append(text(axis(tick), top - 12, f"{tick:g}", "middle", "small"))
    for place, (title, number) in enumerate(rows):
        y, begin, end = top + row * place, *sorted((axis(1), axis(number)))
        color = "#2a9d5c" if number >= 1 else "#c0392b"
        parts.append(
            f'<rect x="{begin:.1f}" y="{y}" width="{end - begin:.1f}" height="{row - 3}" fill="{color}"/>'
        )
        parts.append(text(left - 6, y + row - 4, title, "end", "small"))
        parts.append(text(end + 3, y + row - 4, f"{number:.2f}", kind="small"))
    parts.append(path([(axis(1), top - 8), (axis(1), height - 8)], "black"))
    return document(width, height, parts)


def roofline(run, frameworks):
    """FLOP/s that workloads reach over the FLOP they do for each byte, under what the machine allows:
    Williams, Waterman and Patterson 2009. Only of what these limit; None where nothing is."""
    points = {
        name: [
            (workload, workload.flops / workload.bytes, workload.flops / time)
            for workload, result in run.results.items()
            if workload.flops
            and workload.bytes
            and run.limits.seconds(workload)
            and (time := seconds(result, name))
        ]
        for name in frameworks
    }
    every = [point for of_one in points.values() for point in of_one]
    if not every:
        return None
    limits, width, height = run.limits, 720, 460
    best = max(limits.moved.values())
    x = Logarithmic(2.0**-4, 2.0**10, 70, width - 20)
    rates = [rate for _, _, rate in every]
    y = Logarithmic(min(rates) / 1.5, max(*rates, limits.peak) * 1.5, height - 50, 20)
    parts = [text(width / 2, height - 12, "FLOP for each byte that must be moved", "middle")]
    parts.append(text(70, 14, f"GFLOP/s, {run.threads} thread(s)"))
    for tick in x.powers(4):
        parts.append(text(x(tick), height - 34, f"{tick:g}", "middle", "small"))
    for tick in y.powers(10):
        parts.append(path([(70, y(tick)), (width - 20, y(tick))], "#ddd", 0.5))
        parts.append(text(64, y(tick) + 3, f"{tick / 1e9:g}", "end", "small"))
    for bandwidth, name in ((limits.memory, "memory"), (best, "cache")):
        corner = limits.peak / bandwidth
        roof = [(x.low, x.low * bandwidth), (corner, limits.peak), (x.high, limits.peak)]
        roof = [(at, rate) for at, rate in roof if rate >= y.low]
        parts.append(path([(x(at), y(rate)) for at, rate in roof], "black"))
        parts.append(text(x(corner * 0.55) - 4, y(corner * 0.55 * bandwidth) - 4, name, "end", "small"))
    for place, (name, of_one) in enumerate(points.items()):
        color = COLORS.get(name, "#555")
        for workload, intensity, rate in of_one:
            parts.append(
                f'<circle cx="{x(min(max(intensity, x.low), x.high)):.1f}" cy="{y(rate):.1f}" r="3" '
                f'fill="{color}" fill-opacity=".6">'
                f"<title>{escape(f'{name}, {workload.title}')}</title></circle>"
            )
        parts.append(f'<circle cx="{width - 150}" cy="{height - 140 + 16 * place}" r="4" fill="{color}"/>')
        parts.append(text(width - 140, height - 136 + 16 * place, name.replace("_", ", ")))
    return document(width, height, parts)


def all_of(measured):
    """{(file name, description): SVG}."""
    found = {}
    for run in measured.runs:
        threads = f"{run.threads} thread{'s' * (run.threads > 1)}"
        for other in measured.others:
            title = f"{other.replace('_', ', ')} / taper, {threads}"
            found[f"{other}_{run.threads}.svg", title] = ratios(run, other)
        title = f"FLOP/s under the machine's limits, {threads}"
        found[f"roofline_{run.threads}.svg", title] = roofline(run, list(measured.versions))
    return {key: picture for key, picture in found.items() if picture}
