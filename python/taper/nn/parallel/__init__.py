"""Wrappers that spread a module over devices."""

from ..module import Module
from .distributed import DistributedDataParallel
from .scatter_gather import gather, scatter


class DataParallel(Module):
    """Calls self.module: without several devices there is nothing to spread its inputs over."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module, self.dim = module, dim
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device = output_device

    def forward(self, *inputs, **kwargs):
        """What the wrapped module gives."""
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """The module's output: inputs is one argument or a tuple of them."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
