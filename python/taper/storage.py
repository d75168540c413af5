"""The bytes behind tensors."""

from ._copying import UntypedStorage

# PyTorch's storages of one dtype are deprecated; all of them are bytes here.
TypedStorage = UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
