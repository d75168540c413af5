"""Checkpoints of many processes to files of taper.save, and back."""

import taper

from .default_planner import _EmptyStateDictLoadPlanner
from .folder import read_state_dict, save

__all__ = ["_EmptyStateDictLoadPlanner", "dcp_to_torch_save", "torch_save_to_dcp"]


def dcp_to_torch_save(dcp_checkpoint_dir, torch_save_path):
    """Writes the checkpoint in a folder into one file of taper.save; for one process, which must have room
    for all of it. Raises taper.IOError."""
    taper.save(read_state_dict(dcp_checkpoint_dir), torch_save_path)


def torch_save_to_dcp(torch_save_path, dcp_checkpoint_dir):
    """Makes a checkpoint in a folder, which any number of processes can load, of a file of taper.save that
    holds a dictionary; for one process. Raises taper.IOError."""
    state = taper.load(torch_save_path)
    if not isinstance(state, dict):
        raise TypeError(f"torch_save_to_dcp: the file holds a {type(state).__name__}, expected a dictionary")
    save(state, checkpoint_id=dcp_checkpoint_dir, no_dist=True)
