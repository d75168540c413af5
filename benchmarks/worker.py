"""The process in which one framework is timed. Reads lines "index seconds" from standard input; answers each with a
line of JSON: the seconds of a call, or the reason why there is none."""

import importlib
import json
import os
import sys
import time


def seconds_per_call(function, least):
    """The least time of a call, over batches that together take about `least` seconds."""
    start = time.perf_counter()
    function()
    once = time.perf_counter() - start
    batch = max(1, int(least / 5 / max(once, 1e-7)))
    best, total = once, 0.0
    while total < least:
        start = time.perf_counter()
        for _ in range(batch):
            function()
        spent = time.perf_counter() - start
        best, total = min(best, spent / batch), total + spent
        batch = max(1, min(batch, int(least / 5 / max(best, 1e-7))))
    return best


def framework_of(name, threads):
    """The framework, told to use this many threads."""
    module = importlib.import_module(name)
    if name == "tensorflow":
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(1)
    else:
        module.set_num_threads(threads)
        module.manual_seed(0)
    return module


def answers(name, threads, workloads):
    """Takes requests until standard input ends."""
    module = framework_of(name, threads)
    prepared = (None, None)
    for line in sys.stdin:
        index, least = line.split()
        workload = workloads[int(index)]
        make = workload.tensorflow if name == "tensorflow" else workload.make
        try:
            if make is None:
                raise NotImplementedError("not written for this framework")
            if prepared[0] != index:
                prepared = (None, None)
                prepared = (index, make(module))
            yield {"seconds": seconds_per_call(prepared[1], float(least))}
        except Exception as error:  # what one framework lacks must not end the run
            yield {"error": f"{type(error).__name__}: {error}"}


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    from .workloads import all_workloads

    # Frameworks print to standard output; answers must not mix with that.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for answer in answers(name, threads, all_workloads()):
        print(json.dumps(answer), file=channel, flush=True)


if __name__ == "__main__":
    main()
