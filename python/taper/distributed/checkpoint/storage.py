"""Other ways to call save and load: readers and writers, in the background, and older names."""

import concurrent.futures

from taper import _C

from ..job import new_group
from ..tensor.dtensor import DTensor
from .folder import load, read_metadata, read_state_dict, save
from .paths import has_state, state_of


class FileSystemWriter:
    """A folder to save to: save(state, storage_writer=FileSystemWriter(path)). With overwrite=False it is an
    error if there is a checkpoint already. The other arguments are taken for PyTorch's sake: files are always
    written whole and synced."""

    def __init__(
        self, path, single_file_per_rank=True, sync_files=True, thread_count=1, overwrite=True, **options
    ):
        self.path, self.overwrite = path, overwrite


class FileSystemReader:
    """A folder to load from: load(state, storage_reader=FileSystemReader(path))."""

    def __init__(self, path, **options):
        self.path = path

    def read_metadata(self):
        """What the checkpoint holds, without its values."""
        return read_metadata(self.path)

    def read_whole(self, is_wanted):
        """The entries whose names are wanted, in this process."""
        return read_state_dict(self.path, is_wanted)


def _copy(value):
    """A copy that later training steps do not change."""
    if has_state(value):
        value = state_of(value)
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, _C.Size):
        return type(value)(map(_copy, value))
    if isinstance(value, DTensor):
        return value._like(value._part.clone())
    return value.detach().clone() if isinstance(value, _C.Tensor) else value


# By job: the group and the thread of saves in the background, whose collectives must not come between others.
_background = {}


def _behind(process_group):
    default = _C._distributed._default_group() if _C._distributed.is_initialized() else None
    if default not in _background:
        _background.clear()
        group = None if default is None else new_group()
        _background[default] = group, concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
    group, thread = _background[default]
    return process_group or group, thread


def async_save(
    state_dict,
    *,
    checkpoint_id=None,
    storage_writer=None,
    planner=None,
    process_group=None,
    no_dist=False,
    **options,
):
    """As save, in a thread: copies the state, and returns a Future. Its result() waits, and raises what save
    would have raised. All processes call it, and in the same order as new_group; a process_group given must
    be in no other use until the Future is done."""
    copy = {key: _copy(value) for key, value in state_dict.items()}
    group, thread = _behind(process_group)
    return thread.submit(
        save,
        copy,
        checkpoint_id=checkpoint_id,
        storage_writer=storage_writer,
        planner=planner,
        process_group=group,
        no_dist=no_dist,
    )


def save_state_dict(
    state_dict, storage_writer, process_group=None, coordinator_rank=0, no_dist=False, planner=None
):
    """save(), under its older name."""
    options = {"planner": planner, "process_group": process_group, "no_dist": no_dist}
    save(state_dict, storage_writer=storage_writer, **options)


def load_state_dict(
    state_dict, storage_reader, process_group=None, coordinator_rank=0, no_dist=False, planner=None
):
    """load(), under its older name."""
    options = {"planner": planner, "process_group": process_group, "no_dist": no_dist}
    load(state_dict, storage_reader=storage_reader, **options)
