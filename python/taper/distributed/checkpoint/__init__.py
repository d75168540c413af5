"""Checkpoints that all processes write together, and state dictionaries of divided models."""

from . import format_utils
from .api import CheckpointException
from .default_planner import DefaultLoadPlanner, DefaultSavePlanner
from .folder import load, read_state_dict, save
from .hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from .metadata import BytesStorageMetadata, ChunkStorageMetadata, Metadata, TensorStorageMetadata
from .optimizer import load_sharded_optimizer_state_dict
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
    "BytesStorageMetadata",
    "CheckpointException",
    "ChunkStorageMetadata",
    "DefaultLoadPlanner",
    "DefaultSavePlanner",
    "FileSystemReader",
    "FileSystemWriter",
    "HuggingFaceStorageReader",
    "HuggingFaceStorageWriter",
    "Metadata",
    "StateDictOptions",
    "Stateful",
    "TensorStorageMetadata",
    "async_save",
    "format_utils",
    "get_model_state_dict",
    "get_optimizer_state_dict",
    "get_state_dict",
    "load",
    "load_sharded_optimizer_state_dict",
    "load_state_dict",
    "read_state_dict",
    "save",
    "save_state_dict",
    "set_model_state_dict",
    "set_optimizer_state_dict",
    "set_state_dict",
]
