"""What changes modules in place: replicate, checkpoint; and the older home of fully_shard."""

from . import fsdp
from .checkpoint_activation import checkpoint
from .contract import _get_registry, contract
from .replicate import replicate

__all__ = ["checkpoint", "contract", "fsdp", "replicate"]
