"""Data sets made of small ones, each of which changes the samples of the one before."""

from . import iter
from .datapipe import IterDataPipe

__all__ = ["IterDataPipe", "iter"]
