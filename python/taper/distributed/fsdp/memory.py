"""Where whole parameters lie while they are computed with, and the order of what is done to them."""

import contextlib
import functools
import mmap

import numpy

import taper
from taper import _C, cuda


def _over(memory, dtype):
    """A tensor over memory, with a version of its own."""
    name = str(dtype).split(".")[-1]
    flat = _C.from_numpy(numpy.frombuffer(memory, dtype={"bfloat16": "int16"}.get(name, name)))
    return flat.view(dtype) if name == "bfloat16" else flat


class HostMemory:
    """Main memory for size elements. Private pages: given back to the system while the parameters are away,
    at the same address, so that what autograd saved is right again once they are gathered again."""

    def __init__(self, size, dtype, device):
        bytes = size * taper.empty(0, dtype=dtype).element_size()
        self._pages = mmap.mmap(-1, max(bytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._window, self._seen = _over(self._pages, dtype), _over(self._pages, dtype)
        self.is_new = True

    gathering = reducing = contextlib.nullcontext

    def fill(self, table):
        """A flat tensor to write the parameters to; those who saved them see no write."""
        return self._window

    def show(self, flat, entries):
        """Lets the whole parameters of entries show what was written."""
        if self.is_new:
            self.is_new = False
            for entry in entries:
                entry.full.data = entry.of(self._seen)

    def release(self, entries):
        """Gives it back."""
        self._pages.madvise(mmap.MADV_DONTNEED)

    def keep(self, table):
        """table travels, and is of no further use here."""

    def in_turn(self, group, begin):
        """What begin() began."""
        return begin()


class DeviceMemory:
    """Memory of a device for size elements, new ones each time; what autograd saved follows. Taken and given
    back in the order of the current stream, where all computation is."""

    def __init__(self, size, dtype, device):
        self._size, self._dtype, self._device = size, dtype, device
        self._away = taper.empty(size, dtype=dtype, device="meta")
        self._streams = streams_of(device)
        self.gathering = functools.partial(cuda.stream, self._streams.gathering)
        self.reducing = functools.partial(cuda.stream, self._streams.reducing)

    def fill(self, table):
        """A flat tensor to write the parameters to, of table, which the gathering stream frees."""
        table.record_stream(cuda.current_stream(self._device))
        return taper.empty(self._size, dtype=self._dtype, device=self._device)

    def show(self, flat, entries):
        """Lets the whole parameters of entries, and what was saved of them, lie in flat."""
        for entry in entries:
            _C._move_memory(entry.full, entry.of(flat))

    def release(self, entries):
        """Gives it back."""
        self.show(taper.empty_like(self._away), entries)

    def keep(self, table):
        """Keeps table, which travels, until the next one does, or None: whoever frees memory waits for those
        who use it, which would stop the computation beside the transfer."""
        self._streams.sent = table

    def in_turn(self, group, begin):
        """What begin() began, a collective of group, on the device after the last one of another group:
        devices may come to what two communicators have under way in different orders, and wait for ever."""
        other, last = self._streams.last
        if other is not None and other is not group:
            last.wait()
        self._streams.last = group, begin()
        return self._streams.last[1]


class _Streams:
    """What a device does beside the computation. Parts are packed, to be gathered, after what gathering waits
    for and not after the computation that was queued before; reducing waits between two averages."""

    def __init__(self, device):
        self.gathering, self.reducing, self.sent = cuda.Stream(device), cuda.Stream(device), None
        self.last = None, None


@functools.cache
def streams_of(device):
    """The streams of a device of this process."""
    return _Streams(device)


def follow(devices):
    """What is gathered from now on has the parts as the current streams leave them."""
    for device in devices:
        if device.type == "cuda":
            streams_of(device).gathering.wait_stream(cuda.current_stream(device))


def memory_on(device, size, dtype):
    """Memory of a device, not taken yet."""
    return (HostMemory if device.type == "cpu" else DeviceMemory)(size, dtype, device)
