"""load and its kin, under PyTorch's name."""

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
