"""How much is checked and told: TORCH_DISTRIBUTED_DEBUG, as PyTorch has it."""

import enum
import os

from taper import _C


class DebugLevel(enum.Enum):
    """DETAIL compares collectives on CUDA devices beforehand, too; those in main memory always are."""

    OFF = 0
    INFO = 1
    DETAIL = 2


def get_debug_level():
    """The level that the environment names; groups look at it when they are made."""
    name = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if name not in DebugLevel.__members__:
        raise _C.DistributedError(
            f"The value of TORCH_DISTRIBUTED_DEBUG must be OFF, INFO or DETAIL, got {name!r}"
        )
    return DebugLevel[name]


def set_debug_level(level):
    """For groups that are made from now on, in this process and those that it starts."""
    os.environ["TORCH_DISTRIBUTED_DEBUG"] = DebugLevel(level).name


def set_debug_level_from_env():
    """Checks the environment's level, which is always the one in force."""
    get_debug_level()
