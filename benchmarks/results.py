"""What was measured, and the numbers that follow from it."""

import json
import math
from dataclasses import dataclass, field

from .machine import Limits

OWN = "taper"


@dataclass
class Run:
    """results: {workload: {framework: {"min", "median"} seconds or {"error"}}}."""

    threads: int
    limits: Limits
    results: dict


@dataclass
class Measured:
    """All of it. versions: {framework: version}, Taper first; footprint: rows of (what, unit, {framework:
    number}); neighbour: {framework: {situation: samples/s}}; native: {name: {framework: seconds}}."""

    processor: str
    versions: dict
    runs: list
    footprint: list = field(default_factory=list)
    neighbour: dict = field(default_factory=dict)
    native: dict = field(default_factory=dict)

    @property
    def others(self):
        return [name for name in self.versions if name != OWN]

    def run(self, threads):
        """The run with so many threads, or None."""
        return next((run for run in self.runs if run.threads == threads), None)


def seconds(result, framework):
    """The least time of a framework; None where it has none."""
    return result.get(framework, {}).get("min")


def ratio(result, other):
    """The other's time over Taper's; None where either has none."""
    own, theirs = seconds(result, OWN), seconds(result, other)
    return theirs / own if own and theirs else None


def share(workload, result, limits):
    """What of the machine's limit Taper reaches; None where there is no limit, or no time."""
    least, own = limits.seconds(workload), seconds(result, OWN)
    return least / own if least and own else None


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def speedups(measured, framework):
    """{workload: time with the fewest threads / time with the most}, of those measured with both."""
    first, last = measured.runs[0].results, measured.runs[-1].results
    pairs = {
        workload: (seconds(first[workload], framework), seconds(last[workload], framework))
        for workload in first
        if workload in last
    }
    return {workload: one / many for workload, (one, many) in pairs.items() if one and many}


def to_json(measured):
    runs = [
        {
            "threads": run.threads,
            "peak": run.limits.peak,
            "moved": list(run.limits.moved.items()),
            "read": list(run.limits.read.items()),
            "results": [
                {"workload": workload.title, "limit": run.limits.seconds(workload), "times": result}
                for workload, result in run.results.items()
            ],
        }
        for run in measured.runs
    ]
    return json.dumps({**vars(measured), "runs": runs}, indent=1)


def from_json(text, workloads):
    """What to_json wrote. Workloads that are no longer among those given are left out."""
    known = {workload.title: workload for workload in workloads}
    data = json.loads(text)
    runs = [
        Run(
            run["threads"],
            Limits(run["peak"], dict(run["moved"]), dict(run["read"])),
            {known[row["workload"]]: row["times"] for row in run["results"] if row["workload"] in known},
        )
        for run in data["runs"]
    ]
    return Measured(**{**data, "runs": runs})
