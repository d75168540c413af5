"""Ways to train together."""

from . import ddp_comm_hooks

__all__ = ["ddp_comm_hooks"]
