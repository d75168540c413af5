"""The names of taper.distributed, where PyTorch's programs also look for them."""

from . import *
from .job import _resolve
from .stores import PrefixStore


def _get_default_group():
    return _resolve(None)
