"""Paths into nested state dictionaries: a key for each dictionary, [place] for each list or tuple."""

from taper import _C
from taper.nn.module import Module

from ..tensor.dtensor import DTensor
from ..tensor.parameter import part_of
from ..tensor.placement_types import Partial, Shard
from .state_dict import get_model_state_dict


def is_cut(value):
    """Whether a rank has a part of it only."""
    return isinstance(value, DTensor) and any(isinstance(p, Shard) for p in value.placements)


def has_state(value):
    """Whether it is an object that state_dict() and load_state_dict() stand for."""
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict") and not isinstance(value, dict)


def state_of(value):
    """The state of such an object."""
    if isinstance(value, Module):
        return get_model_state_dict(value)
    if hasattr(value, "local_state_dict"):  # a ZeroRedundancyOptimizer's part; the whole is not in one place
        return value.local_state_dict()
    return value.state_dict()


def text_of(key):
    """A step of a path as a part of a name."""
    return str(key[0] if isinstance(key, list) else key)


def _holds_tensors(value):
    if isinstance(value, dict):
        return any(map(_holds_tensors, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensors, value))
    return isinstance(value, _C.Tensor) or has_state(value)


def leaves_of(value, path=(), is_leaf=lambda path: False):
    """(path, leaf) of nested dictionaries, and of lists and tuples that hold tensors, unless is_leaf(path);
    everything else is a leaf. Objects with state_dict() stand for it."""
    if has_state(value):
        value = state_of(value)
    if isinstance(value, DTensor) and any(isinstance(p, Partial) for p in value.placements):
        raise ValueError("checkpoint: a Partial tensor is no part of a whole; redistribute it first")
    if isinstance(value, DTensor) and not is_cut(value):
        value = part_of(value)
    if isinstance(value, (list, tuple)) and _holds_tensors(value) and not is_leaf(path):
        for place, item in enumerate(value):
            yield from leaves_of(item, (*path, [place]), is_leaf)
        return
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, item in value.items():
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise TypeError(f"checkpoint: the key {key!r} at {list(path)} is neither text nor an integer")
        yield from leaves_of(item, (*path, key), is_leaf)


def put_at(container, path, value):
    """The container with value at path: changed in place, but for tuples, which are made anew."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if not isinstance(key, list):
        container = {} if container is None else container
        container[key] = put_at(container.get(key), rest, value)
        return container
    items = list(container or ())
    items += [None] * (key[0] + 1 - len(items))
    items[key[0]] = put_at(items[key[0]], rest, value)
    if isinstance(container, list):
        container[:] = items
        return container
    if isinstance(container, tuple):
        return type(container)(*items) if hasattr(container, "_fields") else tuple(items)
    return items
