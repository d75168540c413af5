"""Pipes of samples in the order in which they come."""

from ..datapipe import IterDataPipe
from .combinatorics import ShufflerIterDataPipe
from .utils import IterableWrapperIterDataPipe

IterableWrapper = IterableWrapperIterDataPipe
Shuffler = ShufflerIterDataPipe

__all__ = ["IterDataPipe", "IterableWrapper", "Shuffler"]
