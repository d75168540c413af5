"""checkpoint: a module that keeps its inputs only, without a wrapper."""

import functools

from taper.utils.checkpoint import checkpoint as compute_again

from .contract import contract


@contract()
def checkpoint(module, **kwargs):
    """Makes module keep its inputs only and compute again in backward, in place: its names stay. kwargs are
    those of taper.utils.checkpoint.checkpoint."""
    options = {"use_reentrant": False, **kwargs}
    module.forward = functools.partial(compute_again, module.forward, **options)
    return module
