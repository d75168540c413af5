"""Special functions, with PyTorch's names."""

from . import _C

globals().update(_C._homes.get("special", {}))
__all__ = sorted(_C._homes.get("special", {}))
