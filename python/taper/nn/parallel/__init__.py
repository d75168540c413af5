"""Wrappers that spread a module over devices."""

from ... import cuda
from ..._creation import _device
from ..module import Module
from .distributed import DistributedDataParallel
from .replicate import first_on_another_device, parallel_apply, replicate
from .scatter_gather import gather, scatter, scatter_kwargs


class DataParallel(Module):
    """Divides its inputs along dim over GPUs, calls a copy of module on each, and joins what they give.

    device_ids: the GPUs, all that there are where none are given; without any, module itself is called.
    module must be on the first of them. output_device: where results are joined, the first of them if None.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        found = range(cuda.device_count()) if device_ids is None else device_ids
        self.device_ids = [_device(device).index for device in found] if cuda.is_available() else []
        self.module, self.dim = module, dim
        self.output_device = None
        if self.device_ids:
            self.output_device = _device(self.device_ids[0] if output_device is None else output_device).index
            self.src_device_obj = _device(self.device_ids[0])
        if len(self.device_ids) == 1:
            self.module.to(self.src_device_obj)

    def forward(self, *inputs, **kwargs):
        """What the wrapped module gives. Throws RuntimeError where the module is on another device."""
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        if (stray := first_on_another_device(self.module, self.src_device_obj)) is not None:
            raise RuntimeError(
                f"module must have its parameters and buffers on device {self.src_device_obj} "
                f"(device_ids[0]) but found one of them on device: {stray.device}"
            )
        inputs, kwargs = self.scatter(inputs, kwargs, self.device_ids)
        if not inputs:
            inputs, kwargs = ((),), ({},)
        if len(self.device_ids) == 1:
            return self.module(*inputs[0], **kwargs[0])
        used = self.device_ids[: len(inputs)]
        outputs = self.parallel_apply(self.replicate(self.module, used), inputs, kwargs)
        return self.gather(outputs, self.output_device)

    def replicate(self, module, device_ids):
        """A copy of module for each device."""
        return replicate(module, device_ids)

    def scatter(self, inputs, kwargs, device_ids):
        """The arguments of each device."""
        return scatter_kwargs(inputs, kwargs, device_ids, self.dim)

    def parallel_apply(self, replicas, inputs, kwargs):
        """What each copy gives."""
        return parallel_apply(replicas, inputs, kwargs, self.device_ids[: len(replicas)])

    def gather(self, outputs, output_device):
        """What the copies gave, joined."""
        return gather(outputs, output_device, self.dim)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """DataParallel(module, ...) of inputs, one argument or a tuple of them, without keeping the wrapper."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*inputs, **(module_kwargs or {}))
