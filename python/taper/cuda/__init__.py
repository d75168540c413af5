"""What programs ask before they use a GPU; this build computes on the processor only."""


def is_available():
    """Whether tensors can live on a GPU: never in this build."""
    return False


def device_count():
    """How many GPUs there are: none in this build."""
    return 0


def is_initialized():
    """Whether a GPU is in use: never in this build."""
    return False


def is_bf16_supported(including_emulation=True):
    """Whether a GPU computes bfloat16: there is none in this build."""
    return False


def manual_seed(seed):
    """Seeds the GPU's generator: nothing to do without one."""


def manual_seed_all(seed):
    """Seeds every GPU's generator: nothing to do without one."""


def synchronize(device=None):
    """Waits for the GPU: nothing to wait for without one."""


def empty_cache():
    """Gives unused GPU memory back: nothing to do without one."""


from . import amp  # noqa: E402
