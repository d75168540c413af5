"""The names of taper.distributed, where PyTorch's programs also look for them."""

from . import *  # noqa: F403
from .job import _rank_not_in_group, _resolve  # noqa: F401
from .stores import PrefixStore  # noqa: F401


def _get_default_group():
    return _resolve(None)
