"""Checkpoints that all processes write together: each its part, made valid by one manifest at the end.

A checkpoint is a folder: `manifest.json` says which entry lies in which part, the parts are files of
taper.save, with checksums. The manifest is replaced in one step after all parts are on disk; whenever a
process is killed, the folder holds the old checkpoint or the new one, whole. Any number of processes can load
it.
"""

import json
import os
import secrets
from pathlib import Path

from taper import _C, serialization

from . import objects
from .job import _resolve

_MANIFEST = "manifest.json"
_FORMAT = "taper sharded checkpoint 1"


def _has_state(value):
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict") and not isinstance(value, dict)


def _flatten(value, path=()):
    """(path, leaf) of nested dictionaries; everything else is a leaf. Objects with state_dict() stand for
    it."""
    if _has_state(value):
        # A ZeroRedundancyOptimizer's part; the whole is not in one place.
        value = value.local_state_dict() if hasattr(value, "local_state_dict") else value.state_dict()
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, item in value.items():
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise TypeError(f"checkpoint: the key {key!r} at {list(path)} is neither text nor an integer")
        yield from _flatten(item, (*path, key))


def _name(path):
    return json.dumps(path)


def _bytes_of(value):
    return value.numel() * value.element_size() if isinstance(value, _C.Tensor) else 64


class _Alone:
    """Stands for the group of a program that has none."""

    @staticmethod
    def rank():
        return 0

    @staticmethod
    def size():
        return 1


def _group(process_group):
    if process_group is None and not _C._distributed.is_initialized():
        return _Alone
    group = _resolve(process_group)
    if group is None:
        raise ValueError("checkpoint: this process is not in the given process group")
    return group


def _gathered(value, group):
    if group is _Alone:
        return [value]
    values = [None] * group.size()
    objects.all_gather_object(values, value, group)
    return values


def _all_well(error, group, what):
    """Raises on all ranks if one could not do its part."""
    failures = [(rank, text) for rank, text in enumerate(_gathered(error, group)) if text]
    if failures:
        raise _C.IOError(
            f"checkpoint: {what} failed: " + "; ".join(f"rank {rank}: {text}" for rank, text in failures)
        )


def _attempt(action):
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _share_out(sizes):
    """By entry: who writes it. sizes: one dictionary from name to bytes for each rank."""
    loads, owners = [0] * len(sizes), {}
    names = {name: size for table in sizes for name, size in table.items()}
    for name in sorted(names, key=lambda name: (-names[name], name)):
        rank = min((r for r, table in enumerate(sizes) if name in table), key=lambda r: (loads[r], r))
        owners[name] = rank
        loads[rank] += names[name]
    return owners


def _read_manifest(folder):
    path = Path(folder) / _MANIFEST
    try:
        manifest = json.loads(path.read_text())
        if manifest["format"] != _FORMAT:
            raise ValueError(f"its format is {manifest['format']!r}")
        entries, parts = manifest["entries"], manifest["parts"]
        if any(not isinstance(p, str) or Path(p).name != p for p in parts) or any(
            not isinstance(i, int) or not 0 <= i < len(parts) for i in entries.values()
        ):
            raise ValueError("it names impossible parts")
    except FileNotFoundError:
        raise _C.IOError(f"checkpoint: there is none in {str(folder)!r} (no {_MANIFEST})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _C.IOError(f"checkpoint: {str(path)!r} is damaged: {error}") from None
    return entries, parts


def save(state_dict, *, checkpoint_id, process_group=None):
    """Saves nested dictionaries of tensors and plain values. All processes of the group call it.

    Entries that several processes hold are taken to be equal, and written by one of them; an entry that only
    one holds is written by that one. An older checkpoint in the folder is valid until the new one is, and
    then removed. Raises taper.IOError on all ranks, naming rank and reason, if one could not write its part.
    """
    group, folder = _group(process_group), Path(checkpoint_id)
    leaves = {_name(path): value for path, value in _flatten(state_dict)}
    owners = _share_out(_gathered({name: _bytes_of(value) for name, value in leaves.items()}, group))
    token = _gathered(secrets.token_hex(8), group)[0]
    parts = [f"{token}-{rank:05d}.part" for rank in range(group.size())]
    rank = group.rank()

    def write_part():
        folder.mkdir(parents=True, exist_ok=True)
        serialization.save(
            {n: leaves[n] for n, owner in sorted(owners.items()) if owner == rank}, folder / parts[rank]
        )

    def commit():
        draft = folder / f"{token}.manifest"
        with open(draft, "w") as file:
            json.dump(
                {"format": _FORMAT, "world_size": group.size(), "parts": parts, "entries": owners}, file
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, folder / _MANIFEST)
        _sync_folder(folder)
        for leftover in folder.iterdir():
            # Parts of older checkpoints, and what writers killed between naming and renaming left.
            draft = leftover.name.startswith(".") and leftover.suffix == ".tmp" and ".part." in leftover.name
            old = leftover.suffix in (".part", ".manifest") and not leftover.name.startswith(token)
            if old or (draft and not leftover.name.startswith("." + token)):
                leftover.unlink(missing_ok=True)

    _all_well(_attempt(write_part), group, "writing")
    _all_well(_attempt(commit) if rank == 0 else "", group, "writing the manifest")


def load(state_dict, *, checkpoint_id, process_group=None):
    """Fills state_dict from a checkpoint, whatever number of processes wrote it. All processes of the group
    call it, each with the entries that it wants: tensors are written in place, other values replaced. An
    object with load_state_dict(), such as a module or an optimizer, is given all there is under its name.
    Raises taper.IOError on all ranks if one misses an entry, a shape does not fit or a part is damaged;
    the state_dict may then be partly filled."""
    group = _group(process_group)
    _all_well(_attempt(lambda: _fill(state_dict, Path(checkpoint_id))), group, "loading")


def _fill(state_dict, folder):
    entries, parts = _read_manifest(folder)
    stateful = [key for key, value in state_dict.items() if _has_state(value)]
    plain = {key: value for key, value in state_dict.items() if key not in stateful}
    # What an optimizer holds is not known before: it takes all there is under its name.
    states = {key: {} for key in stateful}
    by_part = {}
    for name, part in entries.items():
        path = json.loads(name)
        if path and path[0] in states:
            by_part.setdefault(part, []).append((path, name, None))
    for path, value in _flatten(plain):
        name = _name(path)
        if path and name not in entries:
            raise _C.IOError(f"there is no entry {list(path)} in {str(folder)!r}")
        if path:
            by_part.setdefault(entries[name], []).append((path, name, value))
    for part, places in by_part.items():
        content = serialization.load(folder / parts[part])
        for path, name, value in places:
            _put(states if path[0] in states else plain, path, value, content[name])
    for key, state in states.items():
        state_dict[key].load_state_dict(state)
    state_dict.update(plain)


def _put(state, path, value, saved):
    if isinstance(value, _C.Tensor):
        if not isinstance(saved, _C.Tensor) or saved.shape != value.shape:
            raise _C.IOError(
                f"the entry {list(path)}, {getattr(saved, 'shape', type(saved).__name__)}, does not fit a "
                f"tensor of shape {value.shape}"
            )
        value.detach().copy_(saved)
        return
    for key in path[:-1]:
        state = state.setdefault(key, {})
    state[path[-1]] = saved


def read_state_dict(checkpoint_id):
    """The whole checkpoint as nested dictionaries, for one process."""
    folder = Path(checkpoint_id)
    entries, parts = _read_manifest(folder)
    result = {}
    contents = [
        serialization.load(folder / part) if i in set(entries.values()) else {}
        for i, part in enumerate(parts)
    ]
    for name, part in entries.items():
        _put(result, json.loads(name), None, contents[part][name])
    return result
