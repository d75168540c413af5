"""Memory of GPUs: how much tensors and the pool hold, and giving it back. Without a GPU all numbers are 0."""

from .. import _C
from ._device import _index


def memory_stats(device=None):
    """Counts by PyTorch's names, such as "allocated_bytes.all.current"; those that the pool counts are
    there."""
    if not _C._cuda_available():
        return {}
    found = _C._cuda_memory_statistics(_index(device))
    all_bytes, retries, failures = _C._cuda_allocation_counts(_index(device))
    in_bytes = {
        "current": found["allocated"],
        "peak": found["peak_allocated"],
        "allocated": all_bytes,
        "freed": all_bytes - found["allocated"],
    }
    in_number = {
        "current": found["allocations"] - found["frees"],
        "allocated": found["allocations"],
        "freed": found["frees"],
    }
    reserved = {"current": found["reserved"], "peak": found["peak_reserved"]}
    # Memory that is freed is not in use any more: what PyTorch counts as active is what is allocated.
    kinds = {
        "allocated_bytes": in_bytes,
        "active_bytes": in_bytes,
        "requested_bytes": in_bytes,
        "reserved_bytes": reserved,
        "allocation": in_number,
        "active": in_number,
    }
    counts = {f"{kind}.all.{which}": count for kind, of in kinds.items() for which, count in of.items()}
    return {**counts, "num_alloc_retries": retries, "num_ooms": failures}


def memory_stats_as_nested_dict(device=None):
    """memory_stats() with a dictionary for each part of the names."""
    nested = {}
    for name, count in memory_stats(device).items():
        *path, last = name.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        place[last] = count
    return nested


_fractions = {}


def set_per_process_memory_fraction(fraction, device=None):
    """Tensors of this process may hold that part of a device's memory, 0 to 1; more is OutOfMemoryError."""
    if not isinstance(fraction, (int, float)):
        raise TypeError(f"set_per_process_memory_fraction: expected a float, got {type(fraction).__name__}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"set_per_process_memory_fraction: expected 0 to 1, got {fraction}")
    index = _index(device)
    index = _C._cuda_current_device() if index < 0 else index
    total = _C._cuda_properties(index)["total_memory"]
    _C._cuda_set_memory_limit(index, int(fraction * total) if fraction < 1 else 2**63 - 1)
    _fractions[index] = float(fraction)


def get_per_process_memory_fraction(device=None):
    """What set_per_process_memory_fraction() was given, else 1."""
    index = _index(device)
    return _fractions.get(_C._cuda_current_device() if index < 0 else index, 1.0)


def get_allocator_backend():
    """The driver's stream-ordered pool, by PyTorch's name for it."""
    return "cudaMallocAsync"


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
