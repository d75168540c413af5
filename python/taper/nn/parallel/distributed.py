"""DistributedDataParallel, where PyTorch has it."""

from ..distributed import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
