"""load and its kin, under PyTorch's name."""

from .default_planner import _EmptyStateDictLoadPlanner
from .folder import load
from .storage import FileSystemReader, load_state_dict

__all__ = ["load", "load_state_dict"]


def _load_state_dict_from_keys(
    keys=None, *, checkpoint_id=None, storage_reader=None, process_group=None, no_dist=False
):
    """Of a checkpoint the entries whose names, paths joined by dots, are among keys or within them, or all:
    whole, as nested dictionaries, read by this process. The last two arguments are for PyTorch's sake."""
    wanted = [keys] if isinstance(keys, str) else keys
    reader = storage_reader or FileSystemReader(checkpoint_id)
    return reader.read_whole(
        lambda name: wanted is None or any(name == key or name.startswith(key + ".") for key in wanted)
    )


def _load_state_dict(
    state_dict, storage_reader, process_group=None, coordinator_rank=0, no_dist=False, planner=None
):
    """load(), or with an _EmptyStateDictLoadPlanner all that there is."""
    if isinstance(planner, _EmptyStateDictLoadPlanner):
        state_dict.update(_load_state_dict_from_keys(planner.keys, storage_reader=storage_reader))
        return
    options = {"planner": planner, "process_group": process_group, "no_dist": no_dist}
    load(state_dict, storage_reader=storage_reader, **options)
