"""What programs ask about accelerators: answers are those of GPUs, where there are any."""

from . import _C, cuda
from .cuda import (  # noqa: F401
    current_stream,
    device_count,
    empty_cache,
    is_available,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_peak_memory_stats,
    set_stream,
    synchronize,
)
from .cuda import mem_get_info as get_memory_info  # noqa: F401


def current_accelerator(check_available=False):
    """The accelerator's device, cuda; None where there is no GPU."""
    return _C.device("cuda") if is_available() else None


def current_device_index():
    """The number of the device that "cuda" stands for."""
    return cuda.current_device()


def set_device_index(device):
    """Makes device the one that "cuda" stands for."""
    cuda.set_device(device)


current_device_idx, set_device_idx = current_device_index, set_device_index


class device_index(cuda.device_of):
    """with accelerator.device_index(1): "cuda" stands for cuda:1 inside; None changes nothing."""

    def __init__(self, device):
        if device is None:
            self.idx = -1
        else:
            cuda.device.__init__(self, device)
