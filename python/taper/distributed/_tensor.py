"""taper.distributed.tensor, under PyTorch's older name."""

from .tensor import *  # noqa: F403
