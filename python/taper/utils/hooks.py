"""Handles of hooks."""

from ..nn.module import RemovableHandle
