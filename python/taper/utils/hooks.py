"""Handles of hooks."""

from ..nn.module import RemovableHandle

__all__ = ["RemovableHandle"]
