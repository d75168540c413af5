"""Linear algebra, with PyTorch's names."""

from . import _C

globals().update(_C._homes.get("linalg", {}))
__all__ = sorted(_C._homes.get("linalg", {}))
