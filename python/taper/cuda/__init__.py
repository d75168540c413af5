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


def is_bf16_supported(including_emulation=True):
    """Whether the current GPU computes bfloat16; kernels convert it to float32 on those that do not."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def get_arch_list():
    """Architectures the library was compiled for are chosen at build time; see docs/cuda.md."""
    return []


def ipc_collect():
    """Nothing: memory of a device is not shared between processes."""


class Stream(_C._CudaStream):
    """A queue of work on a device. priority: lower numbers go first."""

    def __init__(self, device=None, priority=0):
        super().__init__(_index(device), priority)


def _record_event(self, event=None):
    """A new event, or event, that stands for the work this queue has now."""
    event = Event() if event is None else event
    event.record(self)
    return event


# Queues that the library hands out are of its own class.
_C._CudaStream.record_event = _record_event
_C._CudaStream.device = property(lambda self: _C.device("cuda", self.device_index))


class Event(_C._CudaEvent):
    """A place in a queue."""

    def __init__(self, enable_timing=False, blocking=False, interprocess=False):
        super().__init__(enable_timing)

    def record(self, stream=None):
        """Stands from now on for the work that stream, else the current one, has now."""
        self._record(current_stream() if stream is None else stream)

    def wait(self, stream=None):
        """Lets stream, else the current one, wait for this event."""
        (current_stream() if stream is None else stream).wait_event(self)

    def elapsed_time(self, end_event):
        """Milliseconds from this event to a later one; both with enable_timing."""
        return self._elapsed(end_event)


def current_stream(device=None):
    """The queue that this thread's operations go to."""
    return _C._cuda_current_stream(_index(device))


def default_stream(device=None):
    """The queue of those who choose none."""
    return _C._cuda_default_stream(_index(device))


def set_stream(stream):
    """Makes stream the one that this thread's operations go to."""
    if stream is not None:
        _C._cuda_set_stream(stream)


class StreamContext:
    """with StreamContext(s): operations inside go to s; None changes nothing."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        if self.stream is not None:
            self._before = current_device(), current_stream(self.stream.device_index)
            set_stream(self.stream)

    def __exit__(self, *exception):
        if self.stream is not None:
            set_stream(self._before[1])
            _C._cuda_set_device(self._before[0])


def stream(stream):
    """with cuda.stream(s): operations inside go to s."""
    return StreamContext(stream)


from . import amp, jiterator  # noqa: E402
from .graphs import (  # noqa: E402
    CUDAGraph,
    graph,
    graph_pool_handle,
    is_current_stream_capturing,
    make_graphed_callables,
)
from .memory import (  # noqa: E402
    empty_cache,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
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


def __getattr__(name):
    if name.endswith("Tensor"):
        from .._types import on_cuda

        return on_cuda(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
