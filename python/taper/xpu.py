"""What programs ask about XPU devices: there are none in Taper."""


def is_available():
    """Whether there is one: never."""
    return False


def device_count():
    """How many there are: none."""
    return 0


def is_initialized():
    """Whether one is in use: never."""
    return False


def empty_cache():
    """Nothing to give back."""


def synchronize(device=None):
    """Nothing to wait for."""


def manual_seed(seed):
    """Nothing to seed."""


def manual_seed_all(seed):
    """Nothing to seed."""


def memory_allocated(device=None):
    """Bytes in tensors: 0."""
    return 0
