"""Collectives that return their results, as programs and PyTorch's own modules call them. All have gradients;
results are complete when a call returns, so there is nothing to wait for.

group  a group or its name, a mesh of one dimension, (mesh, dim), a list of ranks, or lists of ranks of which
       one has this rank
"""

import taper

from . import ProcessGroup
from .collectives import ReduceOp
from .device_mesh import DeviceMesh
from .distributed_c10d import _find_or_create_pg_by_ranks_and_tag, _resolve_process_group
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
    if isinstance(group, (list, tuple)) and isinstance(group[0], (list, tuple)):
        ranks = [rank for part in group for rank in part]
        if len({len(part) for part in group}) > 1:
            raise ValueError(f"group sizes must be identical, got {group}")
        return _find_or_create_pg_by_ranks_and_tag("", ranks, len(group[0]))
    if isinstance(group, (list, tuple)):
        return _find_or_create_pg_by_ranks_and_tag("", list(group))
    if isinstance(group, str):
        return _resolve_process_group(group)
    if not isinstance(group, ProcessGroup):
        raise ValueError(f"Unsupported group type: {type(group)}, {group}")
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


def permute_tensor(self, src_dst, group, tag=""):
    """The tensor of the rank whose entry of src_dst names this rank; entry m says where rank m's goes."""
    group = _group(group)
    own, count = group.rank(), len(self)
    sent = [count if rank == src_dst[own] else 0 for rank in range(group.size())]
    wanted = [count if to == own else 0 for to in src_dst]
    return all_to_all_single(self, wanted, sent, group)


def all_reduce_coalesced(self, reduceOp, group, tag=""):
    """all_reduce of each tensor of a list."""
    return [all_reduce(tensor, reduceOp, group, tag) for tensor in self]


def all_gather_into_tensor_coalesced(self, group, tag=""):
    """all_gather_tensor along the first dimension of each tensor of a list."""
    return [all_gather_tensor(tensor, 0, group, tag) for tensor in self]


def reduce_scatter_tensor_coalesced(inputs, reduceOp, scatter_dim, group, tag=""):
    """reduce_scatter_tensor of each tensor of a list, along its entry of scatter_dim."""
    return [
        reduce_scatter_tensor(tensor, reduceOp, dim, group, tag)
        for tensor, dim in zip(inputs, scatter_dim, strict=True)
    ]


all_gather_tensor_autograd = all_gather_tensor
reduce_scatter_tensor_autograd = reduce_scatter_tensor
all_to_all_single_autograd = all_to_all_single
