"""What this machine can do at most: the matrix peak and how fast it moves bytes, measured."""

import json
import os
import platform
import sys
import time
from dataclasses import dataclass

# Below this, what a call costs says more than what the caches move.
LEAST_BYTES = 100_000


@dataclass(frozen=True)
class Limits:
    """peak: FLOP/s. moved: bytes an addition of two arrays reads and writes in all -> bytes/s, read: the same
    of a sum; by size, since caches are faster than memory."""

    peak: float
    moved: dict
    read: dict

    @property
    def memory(self):
        """Bytes/s of an addition that no cache holds."""
        return self.moved[max(self.moved)]

    def bandwidth(self, size, reads=False):
        """The best bytes/s measured on arrays of this size in all, or larger."""
        rates = self.read if reads else self.moved
        return max(rate for large, rate in rates.items() if large >= min(size, max(rates)))

    def seconds(self, workload):
        """The least time of a call; None where nothing natural limits it: it states no work, or next to
        none."""
        moving = 0.0
        if workload.bytes >= LEAST_BYTES:
            moving = workload.bytes / self.bandwidth(workload.bytes, workload.reads)
        elif workload.flops < LEAST_BYTES:
            return None
        return max(workload.flops / self.peak, moving) or None


def processor():
    """The processor's name, and how many of them."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    name = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} processors"


def pin(threads):
    """Confines this process to so many processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _best(function, least=0.03, rounds=5):
    best, total, count = float("inf"), 0.0, 0
    while total < least or count < rounds:
        start = time.perf_counter()
        function()
        seconds = time.perf_counter() - start
        best, total, count = min(best, seconds), total + seconds, count + 1
    return best


def measure(threads):
    """Limits with so many threads: the better of NumPy and Taper at a product of 1024 x 1024 matrices, at
    sums of two arrays into a third, and at the sum of an array, in float32."""
    import numpy as np

    import taper

    taper.set_num_threads(threads)
    n = 1024
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    x = taper.from_numpy(a)
    peak = 2 * n**3 / min(_best(lambda: a @ a, 0.5), _best(lambda: x @ x, 0.5))
    moved, read = {}, {}
    for size in (1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24):
        a, b, c = (np.ones(size, dtype=np.float32) for _ in range(3))
        x, y, z = (taper.from_numpy(part) for part in (a, b, c))
        adding = min(_best(lambda: np.add(a, b, out=c)), _best(lambda: taper.add(x, y, out=z)))
        moved[3 * a.nbytes] = 3 * a.nbytes / adding
        read[a.nbytes] = a.nbytes / min(_best(a.sum), _best(x.sum))
    return Limits(peak, moved, read)


def main():
    """Prints the limits with the threads given on the command line as JSON."""
    threads = int(sys.argv[1])
    pin(threads)
    limits = measure(threads)
    print(json.dumps([limits.peak, list(limits.moved.items()), list(limits.read.items())]))


if __name__ == "__main__":
    main()
