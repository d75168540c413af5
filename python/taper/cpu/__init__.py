"""What programs ask of the processor as a device."""

import contextlib


def is_available():
    """Always."""
    return True


def device_count():
    """One."""
    return 1


def current_device():
    """ "cpu"."""
    return "cpu"


def is_initialized():
    """Always."""
    return True


def set_device(device):
    """Nothing: there is one."""


class Stream:
    """The one order in which operations end, as those of devices are named."""

    def __init__(self, priority=-1):
        pass

    def wait_stream(self, stream):
        """Nothing to wait for."""


def current_stream(device=None):
    """A Stream."""
    return Stream()


@contextlib.contextmanager
def stream(stream):
    """A context that changes nothing."""
    yield


def synchronize(device=None):
    """Nothing to wait for: operations have ended when they return."""


from . import amp  # noqa: E402
