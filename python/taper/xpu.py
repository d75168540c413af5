"""What programs ask about XPU devices: there are none in Taper."""

from ._absent import device_count, empty_cache, is_available, is_initialized, manual_seed, synchronize  # noqa: F401


def manual_seed_all(seed):
    """Nothing to seed."""


def memory_allocated(device=None):
    """Bytes in tensors: 0."""
    return 0
