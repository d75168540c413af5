"""GradScaler by PyTorch's path."""

from . import GradScaler

__all__ = ["GradScaler"]
