"""autocast by PyTorch's path."""

from . import autocast

__all__ = ["autocast"]
