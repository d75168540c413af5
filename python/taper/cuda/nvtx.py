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


def range_start(msg):
    """Opens a range that may end in any order, or on another thread. Returns what range_end() takes."""
    return _nvtx.start_range(msg) if _nvtx else None


def range_end(range_id):
    """Closes a range of range_start()."""
    if range_id is not None:
        _nvtx.end_range(range_id)


def mark(msg):
    """Marks a moment."""
    if _nvtx:
        _nvtx.mark(msg)


@contextlib.contextmanager
def range(msg, *args, **kwargs):
    """with range("step {}", 3): what happens inside. args and kwargs fill the places in msg."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
