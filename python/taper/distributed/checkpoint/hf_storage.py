"""Checkpoints in Hugging Face's files: safetensors, whole or in parts, and an index of what is where."""

import json
import os
import re
from pathlib import Path

import taper
from taper import _C, safetensors

from ..tensor.dtensor import DTensor
from ..tensor.parameter import part_of
from .folder import agreed, all_well, attempt, copy_overlap, gathered, put, share_out
from .metadata import metadata_of
from .paths import is_cut, leaves_of, text_of
from .storage import FileSystemReader, FileSystemWriter

_INDEX = "model.safetensors.index.json"
_OFFSETS = "DCP_SHARDING_INFO"
_SHARD = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")


def _file_name(index, count, shard=None):
    name = f"model-{index:05d}-of-{count:05d}.safetensors"
    return name if shard is None else f"shard-{shard:05d}-{name}"


def _named(state_dict):
    """Tensors by their paths, joined by dots."""
    leaves = {}
    for path, value in leaves_of(state_dict):
        name = ".".join(map(text_of, path))
        if not isinstance(value, _C.Tensor):
            raise TypeError(
                f"HuggingFaceStorageWriter: the entry {name!r} is a {type(value).__name__}; safetensors "
                "files hold tensors only"
            )
        leaves[name] = value.detach()
    return leaves


def _write(folder, leaves, mapping, shard=None):
    """Writes this rank's tensors, of which parts know their offset, by the numbers of their files."""
    files, count = {}, max(mapping.values(), default=1)
    for name, value in leaves.items():
        if name not in mapping:
            raise ValueError(f"HuggingFaceStorageWriter: fqn_to_index_mapping has no file for {name!r}")
        files.setdefault(mapping[name], {})[name] = value
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for index, tensors in sorted(files.items()):
        metadata = {"format": "pt"}
        if shard is not None:
            offsets = {n: {"saved_offsets": list(offset)} for n, (_, offset) in tensors.items()}
            metadata.update({"DCP_VERSION": "1.0", _OFFSETS: json.dumps(offsets)})
        file = _file_name(index, count, shard)
        parts = {name: part.cpu().contiguous() for name, (part, _) in tensors.items()}
        safetensors.save_file(parts, folder / file, metadata)
        written.update({name: (file, part.numel() * part.element_size()) for name, part in parts.items()})
    return written


def _write_index(folder, written):
    index = {
        "metadata": {"total_size": sum(size for _, size in written.values())},
        "weight_map": {name: file for name, (file, _) in written.items()},
    }
    draft = folder / f".{_INDEX}.tmp"
    draft.write_text(json.dumps(index, indent=2))
    os.replace(draft, folder / _INDEX)


class HuggingFaceStorageWriter(FileSystemWriter):
    """Saves tensors to safetensors files: save(state, storage_writer=HuggingFaceStorageWriter(path)).

    fqn_to_index_mapping  from the names of all tensors to the number of their file, from 1; one file unless
                          given
    save_distributed      each rank writes what it has, to files of its own; else rank 0 writes whole tensors,
                          and an index of them
    enable_consolidation  what the ranks wrote, to path/sharded, becomes whole in path

    The thread counts are taken for PyTorch's sake.
    """

    def __init__(
        self,
        path,
        fqn_to_index_mapping=None,
        thread_count=1,
        save_distributed=False,
        enable_consolidation=False,
        thread_count_consolidation=1,
        save_sharded=False,
    ):
        super().__init__(path)
        self.fqn_to_index_mapping = fqn_to_index_mapping
        self.save_distributed = save_distributed or save_sharded
        self.enable_consolidation = enable_consolidation

    def write_state(self, state_dict, folder, planner, group):
        """What save() does with it. All ranks of the group call it."""
        leaves = agreed(lambda: _named(state_dict), group)
        if self.save_distributed:
            return self._write_parts(leaves, folder, group)
        whole = {n: v.full_tensor() if isinstance(v, DTensor) else v for n, v in leaves.items()}
        error = attempt(lambda: self._write_whole(whole, folder)) if group.rank() == 0 else ""
        return all_well(error, group, "writing")

    def _write_whole(self, leaves, folder):
        mapping = self.fqn_to_index_mapping or dict.fromkeys(leaves, 1)
        _write_index(folder, _write(folder, {n: (v, (0,) * v.ndim) for n, v in leaves.items()}, mapping))

    def _write_parts(self, leaves, folder, group):
        place = folder / "sharded" if self.enable_consolidation else folder
        own = {}
        for name, value in leaves.items():
            part = part_of(value)
            if part.numel() or not is_cut(value):
                own[name] = part, tuple(value._offset) if is_cut(value) else (0,) * part.ndim
        sizes = gathered({(n, offset): part.numel() for n, (part, offset) in own.items()}, group)
        owners, rank = share_out(sizes), group.rank()
        own = {name: (part, at) for name, (part, at) in own.items() if owners[name, at] == rank}
        mapping = self.fqn_to_index_mapping or dict.fromkeys(leaves, 1)
        written = []
        error = attempt(lambda: written.append(_write(place, own, mapping, rank + 1)))
        all_well(error, group, "writing")
        files = gathered({file for file, _ in written[0].values()}, group)

        def finish():
            for old in place.iterdir():  # of more processes, or other files, than now
                if _SHARD.fullmatch(old.name) and old.name not in set().union(*files):
                    old.unlink()
            if self.enable_consolidation:
                consolidate_safetensors_files(place, folder, self.fqn_to_index_mapping)

        all_well(attempt(finish) if rank == 0 else "", group, "writing whole files")


class _Tensors:
    """What the safetensors files of a folder hold: by name, parts of whole tensors."""

    def __init__(self, folder):
        self.folder, self.parts = Path(folder), {}
        files = sorted(self.folder.glob("*.safetensors")) if self.folder.is_dir() else []
        if not files:
            raise _C.IOError(f"checkpoint: there are no safetensors files in {str(folder)!r}")
        for file in files:
            with safetensors.safe_open(file) as opened:
                offsets = json.loads((opened.metadata() or {}).get(_OFFSETS, "{}"))
                names = opened.keys()
                for name in names:
                    shape = opened.get_slice(name).get_shape()
                    offset = offsets[name]["saved_offsets"] if name in offsets else [0] * len(shape)
                    self.parts.setdefault(name, []).append((offset, shape, file))
        self._check_index()

    def _check_index(self):
        if not (self.folder / _INDEX).exists():
            return
        for name, file in json.loads((self.folder / _INDEX).read_text())["weight_map"].items():
            if not any(other.name == file for _, _, other in self.parts.get(name, ())):
                raise _C.IOError(
                    f"checkpoint: {str(self.folder / file)!r}, which is to hold {name!r}, is missing"
                )

    def shape(self, name):
        """Of the whole tensor, all parts of which must be there."""
        parts = self.parts[name]
        shape = [max(o + n for o, n in zip(sizes, lengths)) for sizes, lengths in zip(*_by_dim(parts))]
        if sum(taper.Size(part).numel() for _, part, _ in parts) != taper.Size(shape).numel():
            raise _C.IOError(
                f"checkpoint: {name!r} is not whole: of {tuple(shape)} {str(self.folder)!r} has parts of "
                f"{[tuple(part) for _, part, _ in parts]} only"
            )
        return shape

    def metadata(self):
        """Shapes, dtypes and parts."""
        entries = []
        for name, parts in self.parts.items():
            dtype, whole = str(self._empty(name).dtype).split(".")[-1], self.shape(name)
            entries += [([name], (dtype, shape, offset, whole)) for offset, shape, _ in parts]
        return metadata_of(entries)

    def _empty(self, name):
        with safetensors.safe_open(self.parts[name][0][2]) as opened:
            return opened.get_slice(name)[:0] if self.parts[name][0][1] else opened.get_tensor(name)

    def read(self, name, target, start):
        """Fills target, which begins at start in the whole."""
        for offset, shape, file in self.parts[name]:
            with safetensors.safe_open(file) as opened:
                if not shape:
                    target.copy_(opened.get_tensor(name))
                    continue
                first = max(start[0], offset[0])
                last = min(start[0] + target.shape[0], offset[0] + shape[0])
                if first < last:
                    if last - first == shape[0]:
                        rows = opened.get_tensor(name)  # whose checksum is compared
                    else:
                        rows = opened.get_slice(name)[first - offset[0] : last - offset[0]]
                    copy_overlap(target, start, rows, [first, *offset[1:]])

    def whole(self, name):
        """One tensor."""
        shape = self.shape(name)
        result = self._empty(name).new_empty(shape)
        self.read(name, result, [0] * len(shape))
        return result


def _by_dim(parts):
    """Offsets and lengths of parts, by dimension."""
    return list(zip(*(offset for offset, _, _ in parts))), list(zip(*(shape for _, shape, _ in parts)))


class HuggingFaceStorageReader(FileSystemReader):
    """Loads tensors from the safetensors files of a folder, whoever wrote them, in whatever parts:
    load(state, storage_reader=HuggingFaceStorageReader(path)). The thread count is taken for PyTorch's
    sake."""

    def __init__(self, path, thread_count=1):
        super().__init__(path)

    def read_metadata(self):
        """What the files hold, without the values."""
        return _Tensors(self.path).metadata()

    def read_whole(self, is_wanted):
        """The tensors whose names are wanted, in this process."""
        tensors = _Tensors(self.path)
        return {name: tensors.whole(name) for name in tensors.parts if is_wanted(name)}

    def read_state(self, state_dict, folder, partly):
        """What load() does with it, in this rank."""
        tensors = _Tensors(folder)
        for path, value in list(leaves_of(state_dict)):
            name = ".".join(map(text_of, path))
            if name not in tensors.parts:
                if partly:
                    continue
                raise _C.IOError(f"there is no tensor {name!r} in {str(folder)!r}")
            if not isinstance(value, _C.Tensor):
                put(state_dict, path, None, tensors.whole(name))
                continue
            if tensors.shape(name) != list(value.shape):
                raise _C.IOError(
                    f"the tensor {name!r}, {tuple(tensors.shape(name))}, does not fit one of shape "
                    f"{tuple(value.shape)}"
                )
            start = value._offset if is_cut(value) else [0] * value.ndim
            tensors.read(name, part_of(value), start)


def consolidate_safetensors_files(input_dir, output_dir=None, fqn_to_index_mapping=None, num_threads=1):
    """Makes whole files, and an index, in output_dir, of the parts in input_dir; for one process, which needs
    room for one file. fqn_to_index_mapping: from names to numbers of files, from 1. Raises taper.IOError."""
    tensors, folder = _Tensors(input_dir), Path(output_dir or input_dir)
    mapping, written = fqn_to_index_mapping or dict.fromkeys(tensors.parts, 1), {}
    count = max(mapping.values(), default=1)
    folder.mkdir(parents=True, exist_ok=True)
    for index in sorted(set(mapping.values())):
        file = _file_name(index, count)
        whole = {name: tensors.whole(name) for name in tensors.parts if mapping[name] == index}
        safetensors.save_file(whole, folder / file, {"format": "pt"})
        written.update({name: (file, value.numel() * value.element_size()) for name, value in whole.items()})
    _write_index(folder, written)
