"""Queues of work on GPUs, and places in them. Mirrors torch.cuda.streams."""

from .. import _C
from ._device import _index


class Stream(_C._CudaStream):
    """A queue of work on a device. priority: lower numbers go first; priority=0 is the ordinary one.

    with stream: operations inside go to it.
    """

    def __init__(self, device=None, priority=0):
        if isinstance(device, _C._CudaStream):  # the same queue
            super().__init__(device)
        else:
            super().__init__(_index(device), priority)

    @property
    def device(self):
        """Where its work is done."""
        return _C.device("cuda", self.device_index)

    @property
    def stream_id(self):
        """A number that no other queue of the device has."""
        return self.cuda_stream

    native_handle = stream_id

    def record_event(self, event=None):
        """A new event, or event, that stands for the work this queue has now."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __enter__(self):
        contexts = self.__dict__.setdefault("_contexts", [])
        contexts.append(StreamContext(self))
        contexts[-1].__enter__()
        return self

    def __exit__(self, *exception):
        self._contexts.pop().__exit__(*exception)

    def __repr__(self):
        return f"<taper.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class ExternalStream(Stream):
    """A queue that another library made, by its cudaStream_t as a number; it stays theirs to destroy."""

    def __init__(self, stream_ptr, device=None):
        super().__init__(_C._cuda_stream_of_handle(stream_ptr, _index(device)))


def get_stream_from_external(data_ptr, device=None):
    """ExternalStream(data_ptr, device)."""
    return ExternalStream(data_ptr, device)


class Event(_C._CudaEvent):
    """A place in a queue. enable_timing: elapsed_time() can be asked."""

    device = None

    def __init__(self, enable_timing=False, blocking=False, interprocess=False):
        super().__init__(enable_timing)

    def record(self, stream=None):
        """Stands from now on for the work that stream, else the current one, has now."""
        stream = current_stream() if stream is None else stream
        self._record(stream)
        self.device = _C.device("cuda", stream.device_index)

    def wait(self, stream=None):
        """Lets stream, else the current one, wait for this event."""
        (current_stream() if stream is None else stream).wait_event(self)

    def elapsed_time(self, end_event):
        """Milliseconds from this event to a later one; both with enable_timing."""
        return self._elapsed(end_event)


def current_stream(device=None):
    """The queue that this thread's operations go to."""
    return Stream(_C._cuda_current_stream(_index(device)))


def default_stream(device=None):
    """The queue of those who choose none."""
    return Stream(_C._cuda_default_stream(_index(device)))


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
            self._before = _C._cuda_current_device(), current_stream(self.stream.device_index)
            set_stream(self.stream)

    def __exit__(self, *exception):
        if self.stream is not None:
            set_stream(self._before[1])
            _C._cuda_set_device(self._before[0])


def stream(stream):
    """with cuda.stream(s): operations inside go to s."""
    return StreamContext(stream)
