"""Changes of layout among the ranks of a group along one dimension of a mesh, with their gradients."""

import taper
from taper import _C
from taper.autograd import Function

from ..collectives import ReduceOp, all_reduce, broadcast, reduce_scatter_tensor
from .placement_types import Replicate

REDUCTIONS = {
    "sum": ReduceOp.SUM,
    "avg": ReduceOp.AVG,
    "max": ReduceOp.MAX,
    "min": ReduceOp.MIN,
    "product": ReduceOp.PRODUCT,
}


class Whole(Function):
    """The whole of parts; a gradient that all ranks have is cut again."""

    @staticmethod
    def forward(ctx, part, cut):
        ctx.cut = cut
        return cut.whole(part.detach())

    @staticmethod
    def backward(ctx, dx):
        return ctx.cut.own(dx).contiguous(), None


class Own(Function):
    """The part of a whole that all ranks have."""

    @staticmethod
    def forward(ctx, whole, cut):
        ctx.cut = cut
        return cut.own(whole.detach()).contiguous().clone()

    @staticmethod
    def backward(ctx, dx):
        return ctx.cut.whole(dx.contiguous()), None


class Reduced(Function):
    """What the ranks of a group have, reduced, which all have then. The gradient of what is Partial is that
    of the whole."""

    @staticmethod
    def forward(ctx, part, group, reduce_op):
        total = part.detach().clone()
        all_reduce(total, REDUCTIONS[reduce_op], group)
        ctx.reduce_op = reduce_op
        return total

    @staticmethod
    def backward(ctx, dx):
        if ctx.reduce_op == "product":
            raise _C.NotImplementedError("DTensor: the gradient of a Partial('product')")
        return dx.view(dx.shape), None, None


class Extreme(Function):
    """What becomes Partial("max") or "min" among groups: its gradient goes to the ranks that have the
    extreme, in equal shares."""

    @staticmethod
    def forward(ctx, part, groups, reduce_op):
        ctx.groups, ctx.reduce_op = groups, reduce_op
        ctx.save_for_backward(part)
        return part.view(part.shape)

    @staticmethod
    def backward(ctx, dx):
        (part,) = ctx.saved_tensors
        total = part.detach().clone()
        for group in ctx.groups:
            all_reduce(total, REDUCTIONS[ctx.reduce_op], group)
        share = (part == total).to(dx.dtype)
        count = share.clone()
        for group in ctx.groups:
            all_reduce(count, ReduceOp.SUM, group)
        return dx * share / count, None, None


class Term(Function):
    """A sum's term on each rank of what all have: the first rank has it, the others zeros."""

    @staticmethod
    def forward(ctx, whole, group):
        return whole.detach().clone() if group.rank() == 0 else taper.zeros_like(whole.detach())

    @staticmethod
    def backward(ctx, dx):
        return dx.view(dx.shape), None


class First(Function):
    """What is to be Replicate along dimensions of the mesh, as the first rank along each has it."""

    @staticmethod
    def forward(ctx, part, mesh, placements):
        part = part.detach().contiguous().clone()
        for dim, placement in enumerate(placements):
            if isinstance(placement, Replicate):
                broadcast(part, group=mesh.get_group(dim), group_src=0)
        return part

    @staticmethod
    def backward(ctx, dx):
        return dx.view(dx.shape), None, None


class Enter(Function):
    """What all ranks of a group have, for operations of which each does a part: gradients are summed, or
    averaged where the result is an average."""

    @staticmethod
    def forward(ctx, whole, group, reduce_op="sum"):
        ctx.group, ctx.reduce_op = group, reduce_op
        return whole.view(whole.shape)

    @staticmethod
    def backward(ctx, dx):
        total = dx.contiguous().clone()
        all_reduce(total, REDUCTIONS[ctx.reduce_op], ctx.group)
        return total, None, None


class Share(Function):
    """What becomes Partial("avg"), of so many shares: its gradient is that of the average."""

    @staticmethod
    def forward(ctx, part, shares):
        ctx.shares = shares
        return part.view(part.shape)

    @staticmethod
    def backward(ctx, dx):
        return dx / ctx.shares, None


class Scattered(Function):
    """This rank's part of the sum, or mean, over the ranks of an even cut."""

    @staticmethod
    def forward(ctx, part, cut, reduce_op):
        ctx.cut = cut
        rows = part.detach().movedim(cut.dim, 0).contiguous()
        own = rows.new_empty(cut.length, *rows.shape[1:])
        reduce_scatter_tensor(own, rows, REDUCTIONS[reduce_op], cut.group)
        return own.movedim(0, cut.dim).contiguous()

    @staticmethod
    def backward(ctx, dx):
        return ctx.cut.whole(dx.contiguous()), None, None
