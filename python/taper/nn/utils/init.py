"""Modules without initialized parameters."""

import inspect

from ..._creation import get_rng_state, set_rng_state
from ..module import Module


def skip_init(module_cls, *args, **kwargs):
    """A module whose parameters hold arbitrary values: for those that are loaded right after."""
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    # Initialization is not avoided but undone: random numbers after this are those that PyTorch's skip_init
    # leaves.
    state = get_rng_state()
    module = module_cls(*args, **kwargs)
    set_rng_state(state)
    return module
