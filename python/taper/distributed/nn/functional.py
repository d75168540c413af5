"""Collectives that give new tensors and have gradients: of the sum of what all ranks compute from the
results."""

import taper
from taper.autograd import Function

from .. import collectives
from ..collectives import ReduceOp
from ..job import _resolve


def _linear(forward, backward):
    """A function of tensors from a collective and its transpose, both from a tuple to a tuple."""

    class Collective(Function):
        @staticmethod
        def forward(ctx, *tensors):
            return forward(tuple(t.detach().contiguous() for t in tensors))

        @staticmethod
        def backward(ctx, *grads):
            return backward(tuple(g.contiguous() for g in grads))

    return Collective.apply


def _sum(tensor, group):
    total = tensor.clone()
    collectives.all_reduce(total, group=group)
    return total


def all_reduce(tensor, op=ReduceOp.SUM, group=None):
    """The reduction of all ranks' tensors. Gradients for SUM and AVG only."""
    group = _resolve(group)
    if op not in (ReduceOp.SUM, ReduceOp.AVG) and tensor.requires_grad:
        raise ValueError(f"all_reduce: has a gradient for SUM and AVG, not for {op}")

    def reduced(tensors):
        result = tensors[0].clone()
        collectives.all_reduce(result, op, group)
        return (result,)

    return _linear(reduced, reduced)(tensor)[0]


def broadcast(tensor, src, group=None):
    """The tensor of rank src."""
    group = _resolve(group)

    def forward(tensors):
        result = tensors[0].clone()
        collectives.broadcast(result, src, group)
        return (result,)

    def backward(grads):
        total = _sum(grads[0], group)
        return (total if collectives.get_group_rank(group, src) == group.rank() else taper.zeros_like(total),)

    return _linear(forward, backward)(tensor)[0]


def reduce(tensor, dst, op=ReduceOp.SUM, group=None):
    """The sum of all ranks' tensors on rank dst; elsewhere the tensor as it was."""
    group = _resolve(group)
    if op is not ReduceOp.SUM:
        raise ValueError(f"reduce: has a gradient for SUM, not for {op}")

    def forward(tensors):
        result = tensors[0].clone()
        collectives.reduce(result, dst, op, group)
        return (result,)

    def backward(grads):
        result = grads[0].clone()
        collectives.broadcast(result, dst, group)
        return (result,)

    return _linear(forward, backward)(tensor)[0]


def all_to_all(output_tensor_list, input_tensor_list, group=None):
    """By rank r: rank r's input_tensor_list[own rank]. output_tensor_list tells the shapes."""
    group = _resolve(group)
    shapes = [(t.shape, t.dtype) for t in output_tensor_list]
    sources = [(t.shape, t.dtype) for t in input_tensor_list]

    def exchange(tensors, shapes):
        results = [taper.empty(shape, dtype=dtype, device=tensors[0].device) for shape, dtype in shapes]
        collectives.all_to_all(results, list(tensors), group)
        return tuple(results)

    return _linear(lambda x: exchange(x, shapes), lambda dy: exchange(dy, sources))(*input_tensor_list)


def all_to_all_single(output, input, output_split_sizes=None, input_split_sizes=None, group=None):
    """all_to_all of parts of the first dimension. output tells the shape."""
    group, shape = _resolve(group), output.shape

    def exchange(x, shape, to, of):
        result = x.new_empty(shape)
        collectives.all_to_all_single(result, x, to, of, group)
        return (result,)

    return _linear(
        lambda x: exchange(x[0], shape, output_split_sizes, input_split_sizes),
        lambda dy: exchange(dy[0], input.shape, input_split_sizes, output_split_sizes),
    )(input)[0]


def all_gather(tensor, group=None):
    """By rank: all ranks' tensors."""
    return all_to_all([tensor] * _resolve(group).size(), [tensor] * _resolve(group).size(), group)


def gather(tensor, dst=0, group=None):
    """By rank: all ranks' tensors on rank dst, zeros elsewhere."""
    group = _resolve(group)
    root = collectives.get_group_rank(group, dst)

    def forward(tensors):
        parts = [taper.zeros_like(tensors[0]) for _ in range(group.size())]
        collectives.gather(tensors[0], parts if group.rank() == root else None, group=group, group_dst=root)
        return tuple(parts)

    def backward(grads):
        own = taper.empty_like(grads[0])
        collectives.scatter(own, list(grads) if group.rank() == root else None, group=group, group_src=root)
        return (own,)

    return _linear(forward, backward)(tensor)


def scatter(tensors, src=0, group=None):
    """Of rank src's tensors, one for each rank, that of this rank. Others give tensors of the same shape."""
    group = _resolve(group)
    root = collectives.get_group_rank(group, src)

    def forward(tensors):
        own = taper.empty_like(tensors[0])
        collectives.scatter(own, list(tensors) if group.rank() == root else None, group=group, group_src=root)
        return (own,)

    def backward(grads):
        parts = [taper.zeros_like(grads[0]) for _ in range(group.size())]
        collectives.gather(grads[0], parts if group.rank() == root else None, group=group, group_dst=root)
        return tuple(parts)

    return _linear(forward, backward)(*tensors)[0]


def reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None):
    """The sum of all ranks' input_list[own rank]. output tells the shape."""
    group = _resolve(group)
    if op is not ReduceOp.SUM:
        raise ValueError(f"reduce_scatter: has a gradient for SUM, not for {op}")

    def forward(tensors):
        own = taper.empty_like(tensors[0])
        collectives.reduce_scatter(own, list(tensors), op, group)
        return (own,)

    def backward(grads):
        parts = [taper.empty_like(grads[0]) for _ in range(group.size())]
        collectives.all_gather(parts, grads[0], group)
        return tuple(parts)

    return _linear(forward, backward)(*input_list)[0]
