"""The generators of GPUs. Seeding is harmless where there is none."""

from .. import _C
from .._creation import _restore_state, _state_of
from ._device import _index


def _generator(device="cuda"):
    index = _index(device)
    return _C._cuda_generator(_C.device("cuda") if index < 0 else _C.device("cuda", index))


def _default_generators():
    """Those that operations draw from who are given none, of all devices."""
    return tuple(_C._cuda_generator(_C.device("cuda", index)) for index in range(_C._cuda_device_count()))


def get_rng_state(device="cuda"):
    """The state of a device's generator as a uint8 tensor, in main memory."""
    return _state_of(_generator(device))


def get_rng_state_all():
    """The states of all devices' generators."""
    return [_state_of(generator) for generator in _default_generators()]


def set_rng_state(new_state, device="cuda"):
    """Restores what get_rng_state() returned."""
    _restore_state(_generator(device), new_state)


def set_rng_state_all(new_states):
    """Restores what get_rng_state_all() returned."""
    for generator, state in zip(_default_generators(), new_states):
        _restore_state(generator, state)


def manual_seed(seed):
    """Seeds the current device's generator; nothing without a GPU."""
    if _C._cuda_available():
        _generator().manual_seed(int(seed) & (2**63 - 1))


def manual_seed_all(seed):
    """Seeds every device's generator; nothing without a GPU."""
    for generator in _default_generators():
        generator.manual_seed(int(seed) & (2**63 - 1))


def seed():
    """Seeds the current device's generator from the operating system; nothing without a GPU."""
    if _C._cuda_available():
        _generator().seed()


def seed_all():
    """Seeds every device's generator with one number from the operating system; nothing without a GPU."""
    generators = _default_generators()
    if generators:
        manual_seed_all(generators[0].seed())


def initial_seed():
    """The seed of the current device's generator."""
    return _generator().initial_seed()
