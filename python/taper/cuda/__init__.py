"""GPUs as devices: which there are, their memory, streams and events. Mirrors the everyday part of
torch.cuda."""

import types

from .. import _C
from .._C import OutOfMemoryError
from .._creation import _device
from . import nvtx
from ._device import _index


def is_available():
    """Whether tensors can live on a GPU here: built with CUDA, a driver answers, and it has a device."""
    return _C._cuda_available()


def why_unavailable():
    """Why is_available() is false; empty where it is true."""
    return _C._cuda_why_unavailable()


def device_count():
    """How many GPUs there are; 0 where is_available() is false."""
    return _C._cuda_device_count()


def is_initialized():
    """Whether GPUs can be used: they are made ready on first use."""
    return is_available()


def init():
    """Makes GPUs ready. Throws DeviceError, saying why, where there is none."""
    current_device()


def current_device():
    """Number of the device that "cuda" stands for."""
    return _C._cuda_current_device()


def set_device(device):
    """Makes device the one that "cuda" stands for, for this thread."""
    index = _index(device)
    if index >= 0:
        _C._cuda_set_device(index)


class device:
    """with cuda.device(1): "cuda" stands for cuda:1 inside."""

    def __init__(self, device):
        self.idx = _index(device)

    def __enter__(self):
        self.before = current_device()
        if self.idx >= 0:
            _C._cuda_set_device(self.idx)

    def __exit__(self, *exception):
        _C._cuda_set_device(self.before)


class device_of(device):
    """As device, with the device of a tensor; nothing for tensors in main memory."""

    def __init__(self, obj):
        self.idx = obj.device.index if obj.is_cuda else -1

    def __enter__(self):
        if self.idx >= 0:
            super().__enter__()

    def __exit__(self, *exception):
        if self.idx >= 0:
            super().__exit__(*exception)


def synchronize(device=None):
    """Waits for all work on a device. Throws IndexError if a kernel met an index out of range since the last
    wait."""
    _C._cuda_synchronize(_index(device))


def get_device_properties(device=None):
    """name, major, minor, total_memory, multi_processor_count and more."""
    return types.SimpleNamespace(**_C._cuda_properties(_index(device)))


def get_device_name(device=None):
    """The device's name."""
    return get_device_properties(device).name


def get_device_capability(device=None):
    """(major, minor) of the compute capability."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def can_device_access_peer(device, peer_device):
    """Whether one device reads another's memory directly."""
    return _C._cuda_can_access_peer(_index(device), _index(peer_device))


def is_tf32_supported():
    """Whether the current GPU multiplies in TF32."""
    return is_available() and get_device_capability()[0] >= 8


def is_bf16_supported(including_emulation=True):
    """Whether the current GPU computes bfloat16; kernels convert it to float32 on those that do not."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def get_arch_list():
    """Architectures the library was compiled for are chosen at build time; see docs/cuda.md."""
    return []


def cudart():
    """The functions of the CUDA runtime that programs call: those for profilers, and cudaMemGetInfo."""
    return types.SimpleNamespace(
        cudaProfilerStart=profiler.start, cudaProfilerStop=profiler.stop, cudaMemGetInfo=mem_get_info
    )


def ipc_collect():
    """Nothing: memory of a device is not shared between processes."""


from . import amp, comm, jiterator, profiler  # noqa: E402
from .graphs import CUDAGraph, graph, graph_pool_handle, is_current_stream_capturing, make_graphed_callables  # noqa: E402
from .memory import (  # noqa: E402
    empty_cache,
    get_allocator_backend,
    get_per_process_memory_fraction,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from .random import (  # noqa: E402
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from .streams import (  # noqa: E402
    Event,
    ExternalStream,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    get_stream_from_external,
    set_stream,
    stream,
)


def __getattr__(name):
    if name == "default_generators":
        from .random import _default_generators

        return _default_generators()
    if name.endswith("Tensor"):
        from .._types import on_cuda

        return on_cuda(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
