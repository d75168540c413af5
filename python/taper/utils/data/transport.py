"""Moving batches between processes: small parts through a socket, large buffers through shared memory."""

import io
import mmap
import os
import pickle
from multiprocessing import reduction

from taper import _C

_SHARE_FROM = 32 * 1024  # bytes in all from which a memory file costs less than the socket
_ALIGNMENT = 64


def _rebuild_tensor(kind, buffer, dtype, shape, requires_grad, parameter):
    """A tensor of the given class on the memory of buffer, which is copied if it cannot be written to."""
    if memoryview(buffer).readonly:
        buffer = bytearray(buffer)
    tensor = _C._tensor_from_buffer(buffer, dtype, shape)
    if kind is not _C.Tensor:
        tensor = kind.__new__(kind, tensor)
    if parameter:
        _C._mark_parameter(tensor)
    return tensor.requires_grad_() if requires_grad else tensor


def _reduce_tensor(tensor):
    arguments = (
        type(tensor),
        pickle.PickleBuffer(_C._tensor_to_buffer(tensor)),
        tensor.dtype,
        tuple(tensor.shape),
        tensor.requires_grad,
        _C._is_parameter(tensor),
    )
    return _rebuild_tensor, arguments, getattr(tensor, "__dict__", None) or None


class _Pickler(pickle.Pickler):
    """Pickles tensors as buffers, which travel beside the pickle."""

    def reducer_override(self, value):
        if not isinstance(value, _C.Tensor):
            return NotImplemented
        if value.requires_grad and not value.is_leaf:
            raise RuntimeError(
                "DataLoader: a tensor with a gradient history cannot leave its process; return x.detach()"
            )
        return _reduce_tensor(value)


def _dump(value):
    """(pickle, buffers beside it)"""
    buffers = []
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(value)
    return stream.getvalue(), [buffer.raw() for buffer in buffers]


def _place(buffers):
    """(offsets, total size) of the buffers laid one after another."""
    offsets, end = [], 0
    for buffer in buffers:
        offsets.append(end)
        end += -(-buffer.nbytes // _ALIGNMENT) * _ALIGNMENT
    return offsets, end


def _write(file, offset, buffer):
    while buffer.nbytes:
        count = os.pwrite(file, buffer, offset)
        buffer, offset = buffer[count:], offset + count


class Channel:
    """One end of a two-way pipe between a loader and a worker.

    A message with large buffers puts them in an unnamed memory file that only the receiver keeps: nothing to
    clean up when a process dies, and the receiver's tensors use that memory without a copy.
    """

    def __init__(self, connection):
        self.connection = connection

    def send(self, value):
        body, buffers = _dump(value)
        offsets, size = _place(buffers)
        if size < _SHARE_FROM or not hasattr(os, "memfd_create"):
            self.connection.send_bytes(pickle.dumps((body, [bytes(buffer) for buffer in buffers], 0)))
            return
        file = os.memfd_create("taper-batch", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, size)
            for offset, buffer in zip(offsets, buffers):
                _write(file, offset, buffer)
            places = [(offset, buffer.nbytes) for offset, buffer in zip(offsets, buffers)]
            self.connection.send_bytes(pickle.dumps((body, places, size)))
            reduction.send_handle(self.connection, file, None)
        finally:
            os.close(file)

    def receive(self):
        """The next message. Raises EOFError or OSError when the other end is gone."""
        body, parts, size = pickle.loads(self.connection.recv_bytes())
        if not size:
            return pickle.loads(body, buffers=[bytearray(part) for part in parts])
        file = reduction.recv_handle(self.connection)
        try:
            memory = memoryview(mmap.mmap(file, size))
        finally:
            os.close(file)
        return pickle.loads(body, buffers=[memory[offset : offset + length] for offset, length in parts])

    def close(self):
        self.connection.close()
