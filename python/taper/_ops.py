"""taper.ops: the operations that programs have named with taper.library, as ops.namespace.name."""

import sys
import types

from .library import _operations


class _Namespace(types.ModuleType):
    def __getattr__(self, name):
        operation = _operations.get(f"{self.__name__.rpartition('.')[2]}::{name}")
        if operation is None or not operation._defined():
            raise AttributeError(f"ops: there is no operation {name!r} in {self.__name__}")
        return operation


class _Ops(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        space = _Namespace(f"{self.__name__}.{name}")
        setattr(self, name, space)
        return space

    def load_library(self, path):
        """Raises OSError: operations compiled for PyTorch cannot be called."""
        raise OSError(
            f"load_library: {path} holds operations of PyTorch's binary interface, which Taper lacks"
        )


ops = sys.modules[f"{__package__}.ops"] = _Ops(f"{__package__}.ops", __doc__)
