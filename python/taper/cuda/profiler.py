"""Tells profilers that wait for it, such as nsys with --capture-range=cudaProfilerApi, when to watch."""

import contextlib

from .. import _C

__all__ = ["profile", "start", "stop"]


def start():
    """The profiler watches from now on."""
    _C._cuda_profile(True)


def stop():
    """The profiler watches no more."""
    _C._cuda_profile(False)


@contextlib.contextmanager
def profile():
    """with profile(): the profiler watches what is inside."""
    start()
    try:
        yield
    finally:
        stop()
