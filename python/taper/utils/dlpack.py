"""Exchange of memory with other libraries by the DLPack protocol."""

from .._creation import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor):
    """A DLPack capsule over the tensor's memory, to be taken once."""
    return tensor.__dlpack__()
