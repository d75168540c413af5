"""Turning a list of samples into one batch."""

import collections.abc
import copy
import sys

import taper

_WRONG_TYPE = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def _is_numpy(value, name):
    """Whether value is an instance of numpy.<name>; never imports NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, name))


def _is_namedtuple(value):
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_text_array(array):
    return array.dtype.kind in "SaUO"


def default_convert(data):
    """NumPy arrays and scalars become tensors, inside containers too; everything else stays as it is."""
    if isinstance(data, taper.Tensor):
        return data
    if _is_numpy(data, "ndarray"):
        return data if _is_text_array(data) else taper.as_tensor(data)
    if _is_numpy(data, "generic"):
        return data if data.dtype.kind in "SaUO" else taper.as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if _is_namedtuple(data):
        return type(data)(*(default_convert(item) for item in data))
    if isinstance(data, tuple):
        return [default_convert(item) for item in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def _rebuild_mapping(like, items):
    """items in a container like `like`, or a dictionary where that cannot be built so."""
    try:
        if isinstance(like, collections.abc.MutableMapping):
            clone = copy.copy(like)  # keeps attributes such as a defaultdict's factory
            clone.update(items)
            return clone
        return type(like)(items)
    except TypeError:
        return items


def _rebuild_sequence(like, items):
    try:
        if isinstance(like, collections.abc.MutableSequence):
            clone = copy.copy(like)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(like)(items)
    except TypeError:  # such as range
        return items


def collate(batch, *, collate_fn_map=None):
    """Joins samples field by field; collate_fn_map gives the function for each type of a leaf.

    A function takes (list of leaves, collate_fn_map=...). Containers are walked: mappings key by key,
    sequences position by position.
    """
    sample = batch[0]
    kind = type(sample)
    function = _lookup(sample, collate_fn_map)
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(sample, collections.abc.Mapping):
        joined = {
            key: collate([item[key] for item in batch], collate_fn_map=collate_fn_map) for key in sample
        }
        return _rebuild_mapping(sample, joined)
    if isinstance(sample, collections.abc.Sequence) and not isinstance(sample, (str, bytes)):
        size = len(sample)
        if any(len(item) != size for item in batch):
            lengths = sorted({len(item) for item in batch})
            raise RuntimeError(f"each element in list of batch should be of equal size; got sizes {lengths}")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)]
        if _is_namedtuple(sample):
            return kind(*columns)
        return columns if isinstance(sample, tuple) else _rebuild_sequence(sample, columns)
    raise TypeError(_WRONG_TYPE.format(kind))


def _lookup(sample, functions):
    if not functions:
        return None
    kind = type(sample)
    if kind in functions:
        return functions[kind]
    if (
        taper.Tensor in functions
    ):  # NumPy's types go the same way; they are not in the map lest it imports NumPy
        if _is_numpy(sample, "ndarray"):
            return _collate_arrays
        if _is_numpy(sample, "generic"):
            return _collate_numpy_scalars
    for types, function in functions.items():
        if issubclass(kind, types):
            return function
    return None


def _collate_tensors(batch, *, collate_fn_map=None):
    return taper.stack(list(batch), 0)


def _collate_arrays(batch, *, collate_fn_map=None):
    if _is_text_array(batch[0]):
        raise TypeError(_WRONG_TYPE.format(batch[0].dtype))
    return taper.stack([taper.as_tensor(item) for item in batch], 0)


def _collate_numpy_scalars(batch, *, collate_fn_map=None):
    import numpy

    if batch[0].dtype.kind in "SaUO":
        raise TypeError(_WRONG_TYPE.format(batch[0].dtype))
    return taper.as_tensor(numpy.stack(batch))


def _collate_floats(batch, *, collate_fn_map=None):
    return taper.tensor(list(batch), dtype=taper.float64)


def _collate_ints(batch, *, collate_fn_map=None):
    return taper.tensor(list(batch))


def _collate_text(batch, *, collate_fn_map=None):
    return batch


default_collate_fn_map = {
    taper.Tensor: _collate_tensors,
    bool: _collate_ints,
    int: _collate_ints,
    float: _collate_floats,
    str: _collate_text,
    bytes: _collate_text,
}


def default_collate(batch):
    """A batch of samples: tensors, arrays and numbers are stacked along a new first dimension.

    Raises RuntimeError for samples of different length, TypeError for a type it cannot stack.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
