"""What programs ask about MPS devices: there are none in Taper."""

from ._absent import device_count, empty_cache, is_available, is_initialized, manual_seed, synchronize  # noqa: F401


def current_allocated_memory():
    """Bytes in tensors: 0."""
    return 0


def driver_allocated_memory():
    """Bytes that the driver gave: 0."""
    return 0
