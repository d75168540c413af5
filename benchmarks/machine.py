"""What this machine can do at most: the matrix peak and the memory bandwidth, measured."""

import os
import platform
import time


def _best(function, rounds=7):
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def processor():
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def matrix_peak(threads):
    """FLOP/s of the better of NumPy's BLAS and Taper at a product of 1024 x 1024 matrices in float32."""
    import numpy as np

    import taper

    taper.set_num_threads(threads)
    n = 1024
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    x = taper.from_numpy(a)
    a @ a, x @ x
    return 2 * n**3 / min(_best(lambda: a @ a), _best(lambda: x @ x))


def bandwidth(threads):
    """Bytes/s read and written by the better of NumPy's and Taper's sum of two arrays of 64 MiB into a third."""
    import numpy as np

    import taper

    taper.set_num_threads(threads)
    a = np.ones(1 << 24, dtype=np.float32)
    b, c = a.copy(), a.copy()
    x, y, z = (taper.from_numpy(part) for part in (a, b, c))
    seconds = min(_best(lambda: np.add(a, b, out=c)), _best(lambda: taper.add(x, y, out=z)))
    return 3 * a.nbytes / seconds


def main():
    """Prints both for the threads given on the command line."""
    import sys

    threads = int(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    print(matrix_peak(threads), bandwidth(threads))


if __name__ == "__main__":
    main()
