"""Collectives that return their results, as programs and PyTorch's own modules call them. All have gradients;
results are complete when a call returns, so there is nothing to wait for.

group  a group, a mesh of one dimension, or (mesh, dim)
"""

import taper

from .collectives import ReduceOp
from .device_mesh import DeviceMesh
from .job import _resolve
from .nn import functional

_REDUCTIONS = {
    "sum": ReduceOp.SUM,
    "avg": ReduceOp.AVG,
    "product": ReduceOp.PRODUCT,
    "min": ReduceOp.MIN,
    "max": ReduceOp.MAX,
}


def _group(group):
    if isinstance(group, DeviceMesh):
        return group.get_group()
    if isinstance(group, tuple) and isinstance(group[0], DeviceMesh):
        return group[0].get_group(group[1])
    return _resolve(group)


def _reduction(name):
    if name.lower() not in _REDUCTIONS:
        raise ValueError(f"a reduction is one of {', '.join(_REDUCTIONS)}, got {name!r}")
    return _REDUCTIONS[name.lower()]


def wait_tensor(tensor):
    """The tensor itself."""
    return tensor


def broadcast(self, src, group, tag=""):
    """The tensor of rank src."""
    return functional.broadcast(self, src, _group(group))


def all_reduce(self, reduceOp, group, tag=""):
    """The reduction ("sum", "avg", "product", "min", "max") of all ranks' tensors."""
    return functional.all_reduce(self, _reduction(reduceOp), _group(group))


def all_gather_tensor(self, gather_dim, group, tag=""):
    """All ranks' tensors, joined along gather_dim."""
    return taper.cat(list(functional.all_gather(self, _group(group))), gather_dim)


def reduce_scatter_tensor(self, reduceOp, scatter_dim, group, tag=""):
    """This rank's part along scatter_dim, which the number of ranks must divide, of the sum ("sum") or mean
    ("avg") of all ranks' tensors."""
    group, op = _group(group), _reduction(reduceOp)
    if self.shape[scatter_dim] % group.size():
        raise ValueError(
            f"reduce_scatter_tensor: {self.shape[scatter_dim]} elements along dimension {scatter_dim} cannot "
            f"be divided among {group.size()} ranks"
        )
    parts = [part.contiguous() for part in self.chunk(group.size(), scatter_dim)]
    mean = op is ReduceOp.AVG
    part = functional.reduce_scatter(taper.empty_like(parts[0]), parts, ReduceOp.SUM if mean else op, group)
    return part / group.size() if mean else part


def all_to_all_single(self, output_split_sizes, input_split_sizes, group, tag=""):
    """Rows sent to each rank, input_split_sizes of them or equally many, and those that came from each."""
    rows = self.shape[0] if output_split_sizes is None else sum(output_split_sizes)
    output = self.new_empty((rows, *self.shape[1:]))
    return functional.all_to_all_single(output, self, output_split_sizes, input_split_sizes, _group(group))


all_gather_tensor_autograd = all_gather_tensor
reduce_scatter_tensor_autograd = reduce_scatter_tensor
all_to_all_single_autograd = all_to_all_single
