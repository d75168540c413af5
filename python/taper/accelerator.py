"""What programs ask about accelerators; this build has none."""


def is_available():
    """Whether there is an accelerator: never in this build."""
    return False


def device_count():
    """How many accelerators there are: none in this build."""
    return 0


def current_accelerator(check_available=False):
    """The accelerator's device: None in this build."""
    return None


def synchronize(device=None):
    """Waits for the accelerator: nothing to wait for without one."""
