"""Paths under which PyTorch keeps parts of its loader."""

from . import collate, worker
