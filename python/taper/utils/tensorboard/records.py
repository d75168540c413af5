"""Event files: protocol buffer messages, written as TFRecords.

The fields' numbers are those of TensorFlow's event.proto, summary.proto and tensor.proto.
"""

import os
import socket
import struct
import threading
import time

from ... import _C


def varint(value):
    """A number in base 128, lowest digits first; negative ones as 64-bit two's complement."""
    value &= (1 << 64) - 1
    digits = bytearray()
    while value >= 128:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def integer(field, value):
    """An integer field; 0 is the default and not written."""
    return varint(field << 3) + varint(int(value)) if value else b""


def double(field, value):
    """A float64 field."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def single(field, value):
    """A float32 field; numbers beyond its range are infinite."""
    try:
        return varint(field << 3 | 5) + struct.pack("<f", value)
    except OverflowError:
        return varint(field << 3 | 5) + struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def message(field, value):
    """A field of bytes, text or another message."""
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def doubles(field, values):
    """A packed list of float64."""
    return message(field, struct.pack(f"<{len(values)}d", *values))


def event(content, step=None, walltime=None):
    """An Event with content, fields that are encoded already."""
    return double(1, time.time() if walltime is None else walltime) + integer(2, step or 0) + content


def _masked(data):
    # CRCs of data that hold CRCs are weak, so TFRecord rotates them and adds a constant.
    crc = _C._crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


class EventFile:
    """One event file; events are on disk after flush or close, or flush_secs seconds after the last flush."""

    _numbers = iter(range(1 << 62))

    def __init__(self, directory, flush_secs=120, filename_suffix=""):
        os.makedirs(directory, exist_ok=True)
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}."
            f"{next(EventFile._numbers)}{filename_suffix}"
        )
        self.path = os.path.join(directory, name)
        self._file, self._lock = open(self.path, "wb"), threading.Lock()
        self._flush_secs, self._flushed = flush_secs, time.monotonic()
        self.write(event(message(3, "brain.Event:2")))
        self.flush()

    def write(self, data):
        """Appends one event."""
        length = struct.pack("<Q", len(data))
        with self._lock:
            if self._file.closed:
                self._file = open(self.path, "ab")
            self._file.write(length + _masked(length) + data + _masked(data))
            if time.monotonic() - self._flushed > self._flush_secs:
                self._flush()

    def _flush(self):
        self._file.flush()
        self._flushed = time.monotonic()

    def flush(self):
        """Gives everything written to the operating system."""
        with self._lock:
            if not self._file.closed:
                self._flush()

    def close(self):
        """Flushes and closes; a later event opens the file again."""
        with self._lock:
            self._file.close()
