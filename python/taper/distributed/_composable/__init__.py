"""Older homes of fully_shard."""

from . import fsdp

__all__ = ["fsdp"]
