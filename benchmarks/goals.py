"""What Taper wants to reach beside PyTorch, and what of that a run shows."""

from collections.abc import Callable
from dataclasses import dataclass

from .neighbour import kept
from .results import OWN, geometric_mean, ratio, share, speedups

PEER = "torch"


@dataclass(frozen=True)
class Goal:
    """of: the workloads it speaks of; figure(workload, result, limits): what must be at least `least` for
    each."""

    title: str
    least: float
    of: Callable
    figure: Callable = lambda workload, result, limits: ratio(result, PEER)
    unit: str = "x"


@dataclass(frozen=True)
class Row:
    """What a run shows of a goal: its figure of every workload by name."""

    title: str
    wanted: float
    figures: dict
    unit: str

    @property
    def misses(self):
        return {name: figure for name, figure in self.figures.items() if figure < self.wanted}


def groups(*names):
    return lambda workload: workload.group in names


def named(*words, group=None):
    return lambda workload: (
        (group is None or workload.group == group) and any(word in workload.name for word in words)
    )


def in_memory(workload):
    return MOVING(workload) and workload.bytes > 1e7


def weak_in_torch(workload):
    words = ("var", "where", "argmax", "sort", "topk", "randn", "scatter")
    return workload.group in ("recurrent", "optimizers") or any(word in workload.name for word in words)


def depthwise(workload):
    return workload.group == "convolution" and "depthwise" in workload.name


MOVING = groups("elementwise", "broadcasting", "reductions", "norms", "moves")
TINY_STEPS = named("MLP 16-32-2", "GPT 2 x 32", group="training")

GOALS = (
    Goal("call overhead from Python", 4, groups("calls")),
    Goal("tiny training steps", 5, TINY_STEPS),
    Goal("elementwise, broadcasting, reductions, norms, moves", 1.2, MOVING),
    Goal("these, in memory: of the measured bandwidth", 0.85, in_memory, share, "%"),
    Goal("var, where, argmax, sort, topk, randn, scatter, recurrent training, optimizers", 3, weak_in_torch),
    Goal("matmul, attention", 1, groups("matmul", "attention")),
    Goal(
        "matmul and attention above 10 MFLOP: of the matrix peak",
        0.9,
        lambda workload: workload.group in ("matmul", "attention") and workload.flops > 1e7,
        share,
        "%",
    ),
    Goal("convolution", 1.15, lambda workload: workload.group == "convolution" and not depthwise(workload)),
    Goal("depthwise convolution", 2, depthwise),
    Goal("whole training steps", 1.5, lambda workload: workload.group == "training"),
    Goal("every workload", 1, lambda workload: True),
)


def rows(measured):
    """A Row for each goal that the run says something about."""
    found = []
    one = measured.run(1)
    if one is not None and PEER in measured.versions:
        for goal in GOALS:
            figures = {
                workload.title: figure
                for workload, result in one.results.items()
                if goal.of(workload) and (figure := goal.figure(workload, result, one.limits))
            }
            found.append(Row(goal.title, goal.least, figures, goal.unit))
    found += [memory_row(measured), scaling_row(measured), neighbour_row(measured)]
    return [row for row in found if row and row.figures]


def memory_row(measured):
    figures = {
        what: numbers[PEER] / numbers[OWN]
        for what, _, numbers in measured.footprint
        if "peak memory" in what and OWN in numbers and PEER in numbers
    }
    return Row("PyTorch's peak memory of training steps over Taper's", 1, figures, "x")


def scaling_row(measured):
    """What computes more than it moves, for long enough that starting threads does not count."""
    if len(measured.runs) < 2:
        return None
    limits = measured.runs[0].limits
    figures = {
        workload.title: factor
        for workload, factor in speedups(measured, OWN).items()
        if workload.flops / limits.peak > max(1e-3, workload.bytes / limits.memory)
    }
    threads = f"{measured.runs[0].threads} -> {measured.runs[-1].threads} threads"
    return Row(f"{threads} on compute-bound work", 1.8, figures, "x")


def neighbour_row(measured):
    if OWN not in measured.neighbour:
        return None
    median, worst = kept(measured.neighbour[OWN])
    figures = {"median": median, "worst tenth of a second": worst}
    return Row("2 threads beside a busy neighbour, of 1 thread", 0.9, figures, "%")


def written(figure, unit):
    return f"{figure:.0%}" if unit == "%" else f"{figure:.2f}"


def as_markdown(found):
    """Lines of a table of these rows."""
    lines = ["| goal | at least | mean | least | reached by | misses |", "| --- |" + " --- |" * 5]
    for row in found:
        misses = "; ".join(f"{name} ({written(figure, row.unit)})" for name, figure in row.misses.items())
        cells = [
            row.title,
            written(row.wanted, row.unit),
            written(geometric_mean(row.figures.values()), row.unit),
            written(min(row.figures.values()), row.unit),
            f"{len(row.figures) - len(row.misses)} of {len(row.figures)}",
            misses or "none",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
