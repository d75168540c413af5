"""Checkpoints that all processes write together, and state dictionaries of divided models."""

from taper._C import IOError as CheckpointException

from . import format_utils
from .default_planner import DefaultLoadPlanner, DefaultSavePlanner
from .folder import load, read_state_dict, save
from .hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from .state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
    set_state_dict,
)
from .stateful import Stateful
from .storage import FileSystemReader, FileSystemWriter, async_save, load_state_dict, save_state_dict

__all__ = [
    "CheckpointException",
    "DefaultLoadPlanner",
    "DefaultSavePlanner",
    "FileSystemReader",
    "FileSystemWriter",
    "StateDictOptions",
    "HuggingFaceStorageReader",
    "HuggingFaceStorageWriter",
    "Stateful",
    "async_save",
    "format_utils",
    "get_model_state_dict",
    "get_optimizer_state_dict",
    "get_state_dict",
    "load",
    "load_state_dict",
    "read_state_dict",
    "save",
    "save_state_dict",
    "set_model_state_dict",
    "set_optimizer_state_dict",
    "set_state_dict",
]
