"""What programs ask about a kind of device of which there are none."""


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
