"""What a checkpoint holds: the shapes and dtypes of its tensors, and how they are divided."""

from dataclasses import dataclass, field

import taper

from .paths import text_of


@dataclass(frozen=True)
class ChunkStorageMetadata:
    """One part of a tensor: where it begins, and its sizes."""

    offsets: object
    sizes: object


@dataclass
class TensorProperties:
    """What all parts of a tensor have in common."""

    dtype: object = None
    requires_grad: bool = False
    pin_memory: bool = False


@dataclass
class TensorStorageMetadata:
    """A tensor: size is that of the whole."""

    properties: TensorProperties
    size: object
    chunks: list


@dataclass
class BytesStorageMetadata:
    """Anything but a tensor."""


@dataclass(frozen=True)
class MetadataIndex:
    """Which part of which entry: by where it begins, or by its number."""

    fqn: str
    offset: object = None
    index: object = field(default=None, hash=False, compare=False)


@dataclass
class Metadata:
    """By name, paths joined by dots: what is saved. planner_data: the paths."""

    state_dict_metadata: dict
    planner_data: object = None
    storage_data: object = None
    storage_meta: object = None
    version: object = None


def metadata_of(entries):
    """The Metadata of (path, None or (dtype, shape of the part, its offset, shape of the whole))."""
    table, paths = {}, {}
    for path, tensor in entries:
        name = ".".join(map(text_of, path))
        paths[name] = tuple(path)
        if tensor is None:
            table[name] = BytesStorageMetadata()
            continue
        dtype, shape, offset, whole = tensor
        if name not in table:
            properties = TensorProperties(getattr(taper, dtype))
            table[name] = TensorStorageMetadata(properties, taper.Size(whole), [])
        table[name].chunks.append(ChunkStorageMetadata(taper.Size(offset), taper.Size(shape)))
    return Metadata(table, paths)
