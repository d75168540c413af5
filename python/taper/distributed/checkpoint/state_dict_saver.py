"""save and its kin, under PyTorch's name."""

import enum

from .folder import save
from .storage import async_save, save_state_dict

__all__ = ["AsyncCheckpointerType", "async_save", "save", "save_state_dict"]


class AsyncCheckpointerType(enum.Enum):
    """Accepted for PyTorch's sake: what is saved in the background is saved by a thread."""

    THREAD = "thread"
    PROCESS = "process"
