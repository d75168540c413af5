"""Changes of layout of activations among the ranks of a group, with their gradients."""

import taper
from taper import _C
from taper.autograd import Function

from ..collectives import ReduceOp
from .placement_types import Partial, Placement, Replicate, Shard


def _gather(x, dim, group):
    parts = [x.new_empty(x.shape) for _ in range(group.size())]
    group._all_gather(parts, x.detach(), False)
    return taper.cat(parts, dim)


def _even(x, dim, group):
    if x.shape[dim] % group.size():
        raise _C.ShapeError(
            f"tensor parallel: dimension {dim} of a tensor of shape {tuple(x.shape)} cannot be divided "
            f"evenly among {group.size()} ranks"
        )
    return x.shape[dim] // group.size()


def _split(x, dim, group):
    size = _even(x, dim, group)
    return x.narrow(dim, group.rank() * size, size).contiguous()


def _reduce_scatter(x, dim, group):
    size = _even(x, dim, group)
    parts = [x.narrow(dim, r * size, size).contiguous() for r in range(group.size())]
    own = x.new_empty(parts[0].shape)
    group._reduce_scatter(own, parts, ReduceOp.SUM, False)
    return own


def _all_reduce(x, dim, group):
    total = x.detach().clone()
    group._all_reduce(total, ReduceOp.SUM, False)
    return total


_MOVES = {
    "keep": lambda x, dim, group: x.view(x.shape),
    "all_gather": _gather,
    "split": _split,
    "reduce_scatter": _reduce_scatter,
    "all_reduce": _all_reduce,
}


class _Move(Function):
    """One move in forward, and that of the gradients in backward."""

    @staticmethod
    def forward(ctx, x, forward, backward, dim, group):
        ctx.move = backward, dim, group
        return _MOVES[forward](x, dim, group)

    @staticmethod
    def backward(ctx, dx):
        backward, dim, group = ctx.move
        return _MOVES[backward](dx.contiguous(), dim, group), None, None, None, None


# From, to: the move in forward and in backward. A gradient lies as its tensor does; that of a tensor which
# all ranks have is the same on all.
_TABLE = {
    (Shard, Replicate): ("all_gather", "split"),
    (Replicate, Shard): ("split", "all_gather"),
    (Partial, Replicate): ("all_reduce", "keep"),
    (Partial, Shard): ("reduce_scatter", "all_gather"),
}


def redistribute(x, source, target, group):
    """x, which lies as source says, as target says."""
    for placement in (source, target):
        if not isinstance(placement, Placement):
            raise TypeError(f"tensor parallel: expected Shard, Replicate or Partial, got {placement!r}")
    if isinstance(source, Shard):
        source = Shard(source.dim % x.ndim)
    if isinstance(target, Shard):
        target = Shard(target.dim % x.ndim)
    if source == target or group.size() == 1:
        return x
    if isinstance(source, Shard) and isinstance(target, Shard):
        return redistribute(redistribute(x, source, Replicate(), group), Replicate(), target, group)
    moves = _TABLE.get((type(source), type(target)))
    if moves is None:
        raise ValueError(f"tensor parallel: a tensor cannot go from {source} to {target}")
    dim = target.dim if isinstance(target, Shard) else getattr(source, "dim", 0)
    return _Move.apply(x, *moves, dim, group)


def enter_divided(x, source, group):
    """x whole on all ranks, for operations of which each rank does a part: gradients are sums over ranks
    (Shoeybi et al. 2019, arXiv:1909.08053, f; from Shard: Korthikanti et al. 2022, arXiv:2205.05198, g)."""
    if group.size() == 1:
        return x
    if isinstance(source, Shard):
        return _Move.apply(x, "all_gather", "reduce_scatter", source.dim % x.ndim, group)
    if isinstance(source, Replicate):
        return _Move.apply(x, "keep", "all_reduce", 0, group)
    return enter_divided(redistribute(x, source, Replicate(), group), Replicate(), group)
