"""Collectives of Python values. They travel in the format of taper.save, so receiving one runs no code:
objects arrive with their attributes, and of their class where that has been imported and runs none then."""

import io

import taper
from taper import _C, serialization

from . import collectives
from .job import _resolve


def _to_tensor(value):
    buffer = io.BytesIO()
    serialization.save(value, buffer)
    return taper.frombuffer(bytearray(buffer.getvalue()), dtype=taper.uint8)


def _from_tensor(tensor, size):
    return serialization._load_received(bytes(_C._tensor_to_buffer(tensor[:size].contiguous())))


def _size_of(tensor):
    return taper.tensor([tensor.numel()])


def _padded(tensor, size):
    result = taper.zeros(size, dtype=taper.uint8)
    result[: tensor.numel()] = tensor
    return result


def _all_sizes(tensor, group):
    sizes = taper.zeros(group.size(), dtype=taper.int64)
    collectives.all_gather_into_tensor(sizes, _size_of(tensor), group)
    return sizes.tolist()


def all_gather_object(object_list, obj, group=None):
    """object_list[r] becomes the value of rank r: numbers, text, tensors, lists, dictionaries, as taper.save
    takes."""
    group = _resolve(group)
    if group is None:
        return collectives._outside("all_gather_object")
    own = _to_tensor(obj)
    sizes = _all_sizes(own, group)
    parts = [taper.empty(max(sizes), dtype=taper.uint8) for _ in sizes]
    collectives.all_gather(parts, _padded(own, max(sizes)), group)
    for rank, (part, size) in enumerate(zip(parts, sizes)):
        object_list[rank] = _from_tensor(part, size)


def gather_object(obj, object_gather_list=None, dst=None, group=None, group_dst=None):
    """On rank dst (0 unless given), object_gather_list[r] becomes the value of rank r."""
    group = _resolve(group)
    if group is None:
        return collectives._outside("gather_object")
    root = 0 if dst is None and group_dst is None else collectives._in_group(group, dst, group_dst, "dst")
    own = _to_tensor(obj)
    sizes = _all_sizes(own, group)
    here = group.rank() == root
    if here and object_gather_list is None:
        raise ValueError("Argument ``object_gather_list`` must be specified on destination rank.")
    parts = [taper.empty(max(sizes), dtype=taper.uint8) for _ in sizes] if here else None
    collectives.gather(_padded(own, max(sizes)), parts, group=group, group_dst=root)
    if here:
        object_gather_list[:] = [_from_tensor(part, size) for part, size in zip(parts, sizes)]


def broadcast_object_list(object_list, src=None, group=None, device=None, group_src=None):
    """The values in object_list become those of rank src (0 unless given)."""
    group = _resolve(group)
    if group is None:
        return collectives._outside("broadcast_object_list")
    root = 0 if src is None and group_src is None else collectives._in_group(group, src, group_src, "src")
    here = group.rank() == root
    own = _to_tensor(list(object_list)) if here else None
    size = _size_of(own) if here else taper.zeros(1, dtype=taper.int64)
    collectives.broadcast(size, group=group, group_src=root)
    content = own if here else taper.empty(int(size.item()), dtype=taper.uint8)
    collectives.broadcast(content, group=group, group_src=root)
    if not here:
        values = _from_tensor(content, content.numel())
        if len(values) != len(object_list):
            raise ValueError(
                f"broadcast_object_list: got {len(values)} values for a list of {len(object_list)}"
            )
        object_list[:] = values


def scatter_object_list(
    scatter_object_output_list, scatter_object_input_list=None, src=None, group=None, group_src=None
):
    """scatter_object_output_list[0] becomes scatter_object_input_list[own rank] of rank src (0 unless
    given)."""
    group = _resolve(group)
    if group is None:
        return collectives._outside("scatter_object_list")
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    root = 0 if src is None and group_src is None else collectives._in_group(group, src, group_src, "src")
    here = group.rank() == root
    tensors = [_to_tensor(value) for value in scatter_object_input_list] if here else []
    if here and len(tensors) != group.size():
        raise ValueError(f"scatter_object_list: got {len(tensors)} values for {group.size()} ranks")
    sizes = (
        taper.tensor([t.numel() for t in tensors]) if here else taper.zeros(group.size(), dtype=taper.int64)
    )
    collectives.broadcast(sizes, group=group, group_src=root)
    sizes = sizes.tolist()
    own = taper.empty(max(sizes), dtype=taper.uint8)
    collectives.scatter(
        own, [_padded(t, max(sizes)) for t in tensors] if here else None, group=group, group_src=root
    )
    scatter_object_output_list[0] = _from_tensor(own, sizes[group.rank()])


def send_object_list(object_list, dst=None, group=None, device=None, group_dst=None):
    """Sends values to rank dst."""
    content = _to_tensor(list(object_list))
    collectives.send(_size_of(content), dst, group, group_dst=group_dst)
    collectives.send(content, dst, group, group_dst=group_dst)


def recv_object_list(object_list, src=None, group=None, device=None, group_src=None):
    """Receives values from rank src, or from any; returns the rank they came from."""
    size = taper.zeros(1, dtype=taper.int64)
    source = collectives.recv(size, src, group, group_src=group_src)
    content = taper.empty(int(size.item()), dtype=taper.uint8)
    collectives.recv(content, source, group)
    values = _from_tensor(content, content.numel())
    if len(values) != len(object_list):
        raise ValueError(f"recv_object_list: got {len(values)} values for a list of {len(object_list)}")
    object_list[:] = values
    return source
