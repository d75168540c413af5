"""Batches, also nested in tuples, lists and dictionaries, divided over devices and put together again."""

from ... import _C
from ...cuda import comm


def is_namedtuple(obj):
    """Whether it is of a class made by namedtuple."""
    return isinstance(obj, tuple) and hasattr(obj, "_fields")


def scatter(inputs, target_gpus, dim=0):
    """A list with one copy of inputs for each device, in which tensors are divided along dim.

    There are fewer copies than devices where the tensors have fewer parts; what is no tensor is in each.
    """
    if isinstance(inputs, _C.Tensor):
        return comm.scatter(inputs, target_gpus, dim=dim)
    if isinstance(inputs, (tuple, list)) and inputs:
        rows = zip(*(scatter(value, target_gpus, dim) for value in inputs))
        return [_like(inputs, row) for row in rows]
    if isinstance(inputs, dict) and inputs:
        rows = zip(*(scatter(value, target_gpus, dim) for value in inputs.values()))
        return [type(inputs)(zip(inputs, row)) for row in rows]
    return [inputs for _ in target_gpus]


def _like(values, row):
    return type(values)(*row) if is_namedtuple(values) else type(values)(row)


def scatter_kwargs(inputs, kwargs, target_gpus, dim=0):
    """scatter of positional and named arguments: as many tuples as dictionaries."""
    scattered = scatter(inputs, target_gpus, dim) if inputs else []
    scattered_kwargs = scatter(kwargs, target_gpus, dim) if kwargs else []
    count = max(len(scattered), len(scattered_kwargs))
    scattered += [()] * (count - len(scattered))
    scattered_kwargs += [{}] * (count - len(scattered_kwargs))
    return tuple(scattered), tuple(scattered_kwargs)


def gather(outputs, target_device, dim=0):
    """Outputs of several devices as one on target_device: tensors joined along dim, numbers a vector."""
    first = outputs[0]
    if isinstance(first, _C.Tensor):
        if first.ndim == 0:
            outputs, dim = [number.reshape(1) for number in outputs], 0
        return comm.gather(outputs, dim, target_device)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)(
            (key, gather([part[key] for part in outputs], target_device, dim)) for key in first
        )
    return _like(first, [gather(column, target_device, dim) for column in zip(*outputs)])
