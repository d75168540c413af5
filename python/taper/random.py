"""The random generator behind functions that are given none."""

import contextlib

from ._C import default_generator
from ._creation import get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, **options):
    """Restores the generators' states on leaving, as if the block had drawn nothing.

    devices: GPUs whose generators are kept beside the CPU's; all that there are where none are given.
    """
    if not enabled:
        yield
        return
    from . import cuda

    devices = range(cuda.device_count()) if devices is None else devices
    state, states = get_rng_state(), [(device, cuda.get_rng_state(device)) for device in devices]
    try:
        yield
    finally:
        set_rng_state(state)
        for device, of_device in states:
            cuda.set_rng_state(of_device, device)
