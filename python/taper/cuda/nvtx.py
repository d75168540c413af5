"""Ranges that NVIDIA's profilers show. Uses the nvtx package where it is installed, else does nothing."""

import contextlib

try:
    import nvtx as _nvtx
except ImportError:
    _nvtx = None


def range_push(msg):
    """Opens a range."""
    if _nvtx:
        _nvtx.push_range(msg)


def range_pop():
    """Closes the range opened last."""
    if _nvtx:
        _nvtx.pop_range()


def mark(msg):
    """Marks a moment."""
    if _nvtx:
        _nvtx.mark(msg)


@contextlib.contextmanager
def range(msg):
    """with range("name"): what happens inside."""
    range_push(msg)
    try:
        yield
    finally:
        range_pop()
