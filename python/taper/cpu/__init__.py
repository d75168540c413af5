"""What programs ask of the processor as a device."""


def is_available():
    """Always."""
    return True


def device_count():
    """One."""
    return 1


def current_device():
    """ "cpu"."""
    return "cpu"


def synchronize(device=None):
    """Nothing to wait for: operations have ended when they return."""


from . import amp  # noqa: E402
