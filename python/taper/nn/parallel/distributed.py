"""DistributedDataParallel, where PyTorch has it."""

from ..distributed import DistributedDataParallel, _BufferCommHookLocation  # noqa: F401

__all__ = ["DistributedDataParallel"]
