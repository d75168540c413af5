"""The process in which one framework is timed. Says that it is ready, then reads lines of JSON, [title of a
workload, seconds], from standard input; answers each with another: the seconds of a call, or the reason why
there is none."""

import importlib
import json
import os
import sys
import time

from .machine import pin
from .runner import module_of
from .workloads import all_workloads


def seconds_per_call(function, least):
    """The least time of a call, over batches that together take about `least` seconds."""
    start = time.perf_counter()
    function()
    best = total = time.perf_counter() - start
    while total < least:
        batch = max(1, int(least / 5 / max(best, 1e-7)))
        start = time.perf_counter()
        for _ in range(batch):
            function()
        spent = time.perf_counter() - start
        best, total = min(best, spent / batch), total + spent
    return best


def framework_of(name, threads):
    """The framework, told to use this many threads."""
    module = importlib.import_module(module_of(name))
    if module_of(name) == "tensorflow":
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(1)
    else:
        module.set_num_threads(threads)
        module.manual_seed(0)
    return module


def answers(name, threads):
    """Takes requests until standard input ends."""
    module = framework_of(name, threads)
    workloads = {workload.title: workload for workload in all_workloads()}
    prepared = (None, None)
    yield "ready"
    for line in sys.stdin:
        title, least = json.loads(line)
        try:
            if prepared[0] != title:
                prepared = (None, None)
                function = workloads[title].maker(name)(module)
                function()  # whatever is made at the first call is not what a call costs
                prepared = (title, function)
            yield {"seconds": seconds_per_call(prepared[1], least)}
        except Exception as error:  # what one framework lacks must not end the run
            yield {"error": f"{type(error).__name__}: {error}"}


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    pin(threads)
    # Frameworks print to standard output; answers must not mix with that.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for answer in answers(name, threads):
        print(json.dumps(answer), file=channel, flush=True)


if __name__ == "__main__":
    main()
