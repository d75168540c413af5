"""Memory of GPUs: how much tensors and the pool hold, and giving it back. Without a GPU all numbers are 0."""

from .. import _C
from ._device import _index


def memory_stats(device=None):
    """Counts by PyTorch's names, such as "allocated_bytes.all.current"; those that the pool counts are
    there."""
    if not _C._cuda_available():
        return {}
    found = _C._cuda_memory_statistics(_index(device))
    return {
        "allocated_bytes.all.current": found["allocated"],
        "allocated_bytes.all.peak": found["peak_allocated"],
        "reserved_bytes.all.current": found["reserved"],
        "reserved_bytes.all.peak": found["peak_reserved"],
        "allocation.all.current": found["allocations"] - found["frees"],
        "allocation.all.allocated": found["allocations"],
        "allocation.all.freed": found["frees"],
    }


def memory_allocated(device=None):
    """Bytes in tensors."""
    return memory_stats(device).get("allocated_bytes.all.current", 0)


def max_memory_allocated(device=None):
    """The most bytes that were in tensors at once, since the start or reset_peak_memory_stats()."""
    return memory_stats(device).get("allocated_bytes.all.peak", 0)


def memory_reserved(device=None):
    """Bytes that the pool holds, in tensors or free."""
    return memory_stats(device).get("reserved_bytes.all.current", 0)


def max_memory_reserved(device=None):
    """The most bytes that the pool held at once."""
    return memory_stats(device).get("reserved_bytes.all.peak", 0)


def reset_peak_memory_stats(device=None):
    """Makes what is in use now the peak."""
    if _C._cuda_available():
        _C._cuda_reset_peak_memory(_index(device))


def reset_max_memory_allocated(device=None):
    """As reset_peak_memory_stats()."""
    reset_peak_memory_stats(device)


def max_memory_cached(device=None):
    """max_memory_reserved by its name of old."""
    return max_memory_reserved(device)


def memory_cached(device=None):
    """memory_reserved by its name of old."""
    return memory_reserved(device)


def reset_max_memory_cached(device=None):
    """As reset_peak_memory_stats()."""
    reset_peak_memory_stats(device)


def memory_summary(device=None, abbreviated=False):
    """The numbers of memory_stats() as a table for people."""
    rows = [("Allocated memory", "allocated_bytes.all"), ("Reserved memory", "reserved_bytes.all")]
    counts = memory_stats(device)
    lines = [f"{'':<18}{'now':>16}{'peak':>16}"]
    for title, key in rows:
        now, peak = (counts.get(f"{key}.{which}", 0) / 2**20 for which in ("current", "peak"))
        lines.append(f"{title:<18}{now:>12.1f} MiB{peak:>12.1f} MiB")
    lines.append(f"{'Allocations':<18}{counts.get('allocation.all.current', 0):>16}")
    return "\n".join(lines) + "\n"


def empty_cache():
    """Gives back to the driver what no tensor uses."""
    _C._cuda_empty_cache()


def mem_get_info(device=None):
    """(free, total) bytes of the device, as the driver tells them."""
    return _C._cuda_memory_info(_index(device))
