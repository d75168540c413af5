"""Names that programs take from PyTorch's extension module, which is taper._C here."""

import importlib
import sys
import types

from . import _C


def _parse_to(*args, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    """What arguments of Module.to() mean: (device, dtype, non_blocking, memory_format), the first two None
    where they are not given. A tensor stands for its own device and dtype."""
    flags = []
    for argument in args:
        if isinstance(argument, _C.Tensor):
            device, dtype = argument.device, argument.dtype
        elif isinstance(argument, _C.dtype):
            dtype = argument
        elif isinstance(argument, bool):
            flags.append(argument)
        elif argument is not None:
            device = argument
    if flags:
        non_blocking = flags[0]
    return None if device is None else _C.device(device), dtype, non_blocking, memory_format


def _get_accelerator(check=None):
    """The device that tensors are computed on where a program does not say: CUDA's, where there is one."""
    return _C.device("cuda" if _C._cuda_device_count() else "cpu")


class _LateModule(types.ModuleType):
    """A module with the names of another, which is loaded when one is first asked for."""

    def __init__(self, name, home):
        super().__init__(name)
        self._home = home
        sys.modules[name] = self

    def __getattr__(self, name):
        return getattr(importlib.import_module(self._home), name)


_C._TensorMeta = type(_C.Tensor)
_C._nn = types.SimpleNamespace(_parse_to=_parse_to)
_C._get_accelerator = _get_accelerator
_C._log_api_usage_once = lambda event: None
_C._distributed_c10d = _LateModule("taper._C._distributed_c10d", "taper.distributed.distributed_c10d")
