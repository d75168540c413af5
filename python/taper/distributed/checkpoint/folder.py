"""Checkpoints that all processes write together: each its part, made valid by one manifest at the end.

A checkpoint is a folder: `manifest.json` says which entry lies in which part, the parts are files of
taper.save, with checksums. The manifest is replaced in one step after all parts are on disk; whenever a
process is killed, the folder holds the old checkpoint or the new one, whole. Any number of processes can load
it.
"""

import contextlib
import functools
import json
import os
import secrets
from pathlib import Path

from taper import _C, serialization
from taper.nn.module import Module

from .. import objects
from ..job import _resolve
from ..tensor.parameter import part_of
from .api import CheckpointException
from .metadata import metadata_of
from .paths import has_state, is_cut, leaves_of, put_at, text_of
from .state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict

_MANIFEST = "manifest.json"
_FORMAT = "taper sharded checkpoint 1"


def _template(value):
    """What is filled in place of an object with state_dict()."""
    return get_model_state_dict(value) if isinstance(value, Module) else {}


def _set_state(value, state, partly):
    if partly and not state:
        return
    if isinstance(value, Module):
        set_model_state_dict(value, state, options=StateDictOptions(strict=not partly))
    else:
        value.load_state_dict(state)


def _name(path, value=None):
    """The name of an entry; that of a part says what part it is."""
    if not is_cut(value):
        return json.dumps(path)
    return json.dumps((*path, {"offset": value._offset, "of": tuple(value.shape)}))


def _parts_by_name(entries):
    """(entries that are whole; of those in parts, by name, lists of (offset, shape of the whole, entry))."""
    whole, parts = {}, {}
    for name in entries:
        path = json.loads(name)
        if path and isinstance(path[-1], dict):
            parts.setdefault(_name(path[:-1]), []).append((path[-1]["offset"], path[-1]["of"], name))
        else:
            whole[name] = name
    return whole, parts


def _size_of(value):
    """(bytes, (dtype, shape) of a tensor or None)."""
    if not isinstance(value, _C.Tensor):
        return 64, None
    return value.numel() * value.element_size(), (str(value.dtype).split(".")[-1], tuple(value.shape))


def _entries(state_dict):
    """By name, what this rank has."""
    for path, value in leaves_of(state_dict):
        if not is_cut(value) or part_of(value).numel() > 0:
            yield _name(path, value), part_of(value) if is_cut(value) else value


def _metadata(tensors):
    """By names of entries, what metadata_of needs."""
    entries = []
    for name, tensor in tensors.items():
        path, whole, offset = json.loads(name), None, None
        if path and isinstance(path[-1], dict):
            whole, offset, path = path[-1]["of"], path[-1]["offset"], path[:-1]
        if tensor is not None:
            dtype, shape = tensor
            tensor = dtype, shape, offset or [0] * len(shape), whole or shape
        entries.append((path, tensor))
    return metadata_of(entries)


class _Alone:
    """Stands for the group of a program that has none."""

    @staticmethod
    def rank():
        return 0

    @staticmethod
    def size():
        return 1


def _group(process_group, no_dist=False):
    if no_dist or (process_group is None and not _C._distributed.is_initialized()):
        return _Alone
    group = _resolve(process_group)
    if group is None:
        raise ValueError("checkpoint: this process is not in the given process group")
    return group


def _folder(checkpoint_id, storage):
    """The folder that one of the two names."""
    place = checkpoint_id if checkpoint_id is not None else getattr(storage, "path", None)
    if place is None:
        raise ValueError(
            "checkpoint: needs checkpoint_id, a folder, or a FileSystemWriter or FileSystemReader"
        )
    return Path(place)


def gathered(value, group):
    """The values of all ranks."""
    if group is _Alone:
        return [value]
    values = [None] * group.size()
    objects.all_gather_object(values, value, group)
    return values


def all_well(error, group, what):
    """Raises on all ranks if one could not do its part."""
    failures = [(rank, text) for rank, text in enumerate(gathered(error, group)) if text]
    if failures:
        ranks = {}
        for rank, text in failures:
            ranks.setdefault(text, []).append(str(rank))
        reasons = "; ".join(
            f"rank{'s' if len(same) > 1 else ''} {', '.join(same)}: {text}" for text, same in ranks.items()
        )
        raise CheckpointException(f"checkpoint: {what} failed: {reasons}", failures)


def attempt(action):
    """What action() raised, as text, or none."""
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def agreed(take_state, group):
    """What take_state() gives; raises on all ranks if it does on one."""
    try:
        state, failure = take_state(), None
    except Exception as error:
        state, failure = None, error
    try:
        all_well(f"{type(failure).__name__}: {failure}" if failure else "", group, "taking the state")
    except CheckpointException:
        if failure is None:
            raise
    if failure is not None:
        raise failure
    return state


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def share_out(sizes, to_lowest=False):
    """By entry: who writes it, the lowest rank that has it or the one with the least to do. sizes: one
    dictionary from name to bytes for each rank."""
    loads, owners = [0] * len(sizes), {}
    names = {name: size for table in sizes for name, size in table.items()}
    for name in sorted(names, key=lambda name: (-names[name], name)):
        holders = [r for r, table in enumerate(sizes) if name in table]
        rank = holders[0] if to_lowest else min(holders, key=lambda r: (loads[r], r))
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
    return entries, parts, manifest.get("tensors", {})


def read_metadata(folder):
    """What the checkpoint in a folder holds."""
    entries, _, tensors = _read_manifest(folder)
    return _metadata({name: tensors.get(name) for name in entries})


def _commit(folder, token, manifest):
    """Makes the parts that begin with token the checkpoint, and removes older ones."""
    for rank, part in enumerate(manifest["parts"]):
        if not (folder / part).exists():
            raise FileNotFoundError(
                f"the part of rank {rank} is not in {str(folder)!r}, as rank 0 sees it; all ranks must "
                "name one folder, which all machines see"
            )
    draft = folder / f"{token}.manifest"
    with open(draft, "w") as file:
        json.dump(manifest, file)
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


def save(
    state_dict, *, checkpoint_id=None, storage_writer=None, planner=None, process_group=None, no_dist=False
):
    """Saves nested dictionaries of tensors and plain values. All processes of the group call it; with no_dist
    this one only.

    checkpoint_id   the folder; or storage_writer, a FileSystemWriter, names it. A HuggingFaceStorageWriter
                    writes safetensors files
    planner         a DefaultSavePlanner

    Entries that several processes hold are taken to be equal, and written by one of them; an entry that only
    one holds is written by that one. An older checkpoint in the folder is valid until the new one is, and
    then removed. Returns the Metadata of what was saved. Raises CheckpointException, a taper.IOError, on all
    ranks, naming rank and reason, if one could not write its part, or wrote it where rank 0 does not see it.
    """
    group, folder = _group(process_group, no_dist), _folder(checkpoint_id, storage_writer)
    if hasattr(storage_writer, "write_state"):
        return storage_writer.write_state(state_dict, folder, planner, group)
    leaves = agreed(lambda: dict(_entries(state_dict)), group)
    sizes = gathered({name: _size_of(value) for name, value in leaves.items()}, group)
    tensors = {name: tensor for table in sizes for name, (_, tensor) in table.items()}
    bytes_of = [{name: size for name, (size, _) in table.items()} for table in sizes]
    owners = share_out(bytes_of, getattr(planner, "dedup_save_to_lowest_rank", False))
    token = gathered(secrets.token_hex(8), group)[0]
    parts = [f"{token}-{rank:05d}.part" for rank in range(group.size())]
    rank = group.rank()

    def write_part():
        if not getattr(storage_writer, "overwrite", True) and (folder / _MANIFEST).exists():
            raise _C.IOError(f"Checkpoint already exists in {str(folder)!r} and overwrite=False")
        folder.mkdir(parents=True, exist_ok=True)
        serialization.save(
            {n: leaves[n] for n, owner in sorted(owners.items()) if owner == rank}, folder / parts[rank]
        )

    try:
        all_well(attempt(write_part), group, "writing")
    except CheckpointException:
        with contextlib.suppress(OSError):
            (folder / parts[rank]).unlink()
        raise
    manifest = {"format": _FORMAT, "world_size": group.size(), "parts": parts, "entries": owners}
    commit = functools.partial(_commit, folder, token, {**manifest, "tensors": tensors})
    all_well(attempt(commit) if rank == 0 else "", group, "writing the manifest")
    return _metadata(tensors)


def load(
    state_dict, *, checkpoint_id=None, storage_reader=None, planner=None, process_group=None, no_dist=False
):
    """Fills state_dict from a checkpoint, whatever number of processes wrote it. All processes of the group
    call it, each with the entries that it wants: tensors are written in place, other values replaced. An
    object with load_state_dict(), such as a module or an optimizer, is given all there is under its name.
    planner: DefaultLoadPlanner(allow_partial_load=True) leaves alone what the checkpoint lacks.
    Raises taper.IOError on all ranks if one misses an entry, a shape does not fit or a part is damaged;
    the state_dict may then be partly filled."""
    group, folder = _group(process_group, no_dist), _folder(checkpoint_id, storage_reader)
    partly = getattr(planner, "allow_partial_load", False)
    read = getattr(storage_reader, "read_state", _fill)
    all_well(attempt(lambda: read(state_dict, folder, partly)), group, "loading")


def _fill(state_dict, folder, partly):
    entries, files, _ = _read_manifest(folder)
    whole, parts = _parts_by_name(entries)
    stateful = [key for key, value in state_dict.items() if has_state(value)]
    plain = {key: value for key, value in state_dict.items() if key not in stateful}
    # What an optimizer holds is not known before: it takes all there is under its name.
    states = {key: _template(state_dict[key]) for key in stateful}
    missing = {(key, name) for key, template in states.items() for name in template}
    reads = {}

    def read(entry, put):
        reads.setdefault(entries[entry], []).append((entry, put))

    for name in (*whole, *parts):
        path = json.loads(name)
        if path and path[0] in states:
            name_in = path[1] if len(path) == 2 and isinstance(path[1], str) else None
            missing.discard((path[0], name_in))
            own = states[path[0]].get(name_in)
            is_there = isinstance(own, _C.Tensor) and own.device.type != "meta"
            _plan(states, path, own if is_there else None, name, parts, read)
    for path, value in list(leaves_of(plain, (), lambda path: _name(path) in whole)):
        name = _name(path)
        if path and name not in whole and name not in parts:
            if partly:
                continue
            raise _C.IOError(f"there is no entry {list(path)} in {str(folder)!r}")
        if path:
            _plan(plain, path, value, name, parts, read)
    for part, places in reads.items():
        content = serialization.load(folder / files[part])
        for entry, put in places:
            put(content[entry])
    for key, name in missing:
        del states[key][name]
    for key, state in states.items():
        _set_state(state_dict[key], state, partly)
    state_dict.update(plain)


def _plan(state, path, value, name, parts, read):
    """Registers what is to be read for one entry."""
    if name not in parts:
        read(name, lambda saved: put(state, path, value, saved))
        return
    shape = parts[name][0][1]
    if isinstance(value, _C.Tensor):
        expected = list(value.shape)
        if expected != list(shape):
            raise _C.IOError(
                f"the entry {list(path)}, {tuple(shape)}, does not fit a tensor of shape {expected}"
            )
        start = value._offset if is_cut(value) else [0] * value.ndim
        target = part_of(value)
        for offset, _, entry in parts[name]:
            read(entry, lambda saved, offset=offset: copy_overlap(target, start, saved, offset))
        return
    made = []

    def add(saved, offset):
        if not made:
            made.append(saved.new_empty(list(shape)))
            put(state, path, None, made[0])
        copy_overlap(made[0], [0] * len(shape), saved, offset)

    for offset, _, entry in parts[name]:
        read(entry, lambda saved, offset=offset: add(saved, offset))


def copy_overlap(target, start, part, offset):
    """What part, which begins at offset in the whole, and target, which begins at start, have in common."""
    for dim in range(target.ndim):
        first = max(start[dim], offset[dim])
        length = min(start[dim] + target.shape[dim], offset[dim] + part.shape[dim]) - first
        if length <= 0:
            return
        target = target.narrow(dim, first - start[dim], length)
        part = part.narrow(dim, first - offset[dim], length)
    target.copy_(part)


def put(state, path, value, saved):
    """Writes saved to the tensor value, or puts it in its place at path."""
    if isinstance(value, _C.Tensor):
        if not isinstance(saved, _C.Tensor) or saved.shape != value.shape:
            raise _C.IOError(
                f"the entry {list(path)}, {getattr(saved, 'shape', type(saved).__name__)}, does not fit a "
                f"tensor of shape {value.shape}"
            )
        part_of(value).copy_(value._own_part(saved) if is_cut(value) else saved)
        return
    put_at(state, path, saved)


def read_state_dict(checkpoint_id, is_wanted=lambda name: True):
    """The whole checkpoint as nested dictionaries, for one process: the entries whose names, paths joined by
    dots, are wanted."""
    folder, result, contents = Path(checkpoint_id), {}, {}
    entries, files, _ = _read_manifest(folder)
    whole, parts = _parts_by_name(entries)

    def read(entry, put):
        part = entries[entry]
        if part not in contents:
            contents[part] = serialization.load(folder / files[part])
        put(contents[part][entry])

    for name in (*whole, *parts):
        path = json.loads(name)
        if is_wanted(".".join(map(text_of, path))):
            _plan(result, path, None, name, parts, read)
    return result
