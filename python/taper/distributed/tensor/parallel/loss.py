"""Cross entropy of logits of whose classes each rank has a part (Shoeybi et al. 2019, arXiv:1909.08053)."""

from contextlib import contextmanager

import taper
from taper import _C
from taper.autograd import Function
from taper.overrides import TorchFunctionMode

from ...collectives import ReduceOp, all_reduce
from ..dtensor import DTensor, cuts_of
from ..placement_types import Replicate


class _DividedCrossEntropy(Function):
    """The loss that all ranks have, of logits [n, classes of this rank, ..] that cut divides, and targets
    [n, ..]; the gradient is that of the rank's logits. All ranks send two small tensors."""

    @staticmethod
    def forward(ctx, logits, target, weight, cut, ignore_index, reduction):
        ctx.dtype = logits.dtype
        half = logits.dtype in (taper.float16, taper.bfloat16)
        logits = logits.detach().float() if half else logits.detach()
        kept = target != ignore_index
        if bool((kept & ((target < 0) | (target >= cut.size))).any()):
            raise IndexError(f"cross_entropy: a target is not in [0, {cut.size}) and not {ignore_index}")
        top = logits.amax(1) if cut.length else logits.new_full(target.shape, -float("inf"))
        all_reduce(top, ReduceOp.MAX, cut.group)
        shifted = logits - top.unsqueeze(1)
        powers = shifted.exp()
        own = kept & (target >= cut.start) & (target < cut.start + cut.length)
        place = taper.where(own, target - cut.start, 0).unsqueeze(1)
        found = shifted.gather(1, place).squeeze(1) if cut.length else taper.zeros_like(top)
        sums = taper.stack([powers.sum(1), taper.where(own, found, 0.0)])
        all_reduce(sums, ReduceOp.SUM, cut.group)
        share = kept.to(logits.dtype)
        if weight is not None:
            share = share * weight.detach().to(logits.dtype)[taper.where(kept, target, 0)]
        loss = sums[0].log() - sums[1]
        loss = taper.where(kept, loss * share, 0.0)
        if reduction == "mean":
            total = share.sum()
            loss, share = loss.sum() / total, share / total
        elif reduction == "sum":
            loss = loss.sum()
        ctx.save_for_backward(powers / sums[0].unsqueeze(1), place, own, share)
        return loss.to(ctx.dtype)

    @staticmethod
    def backward(ctx, dx):
        probabilities, place, own, share = ctx.saved_tensors
        scale = (share * dx.to(share.dtype)).unsqueeze(1)
        gradient = probabilities * scale
        if gradient.shape[1]:
            gradient.scatter_add_(1, place, taper.where(own.unsqueeze(1), -scale, 0.0))
        return gradient.to(ctx.dtype), None, None, None, None, None


def _cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """The loss by parts, or NotImplemented where the operands do not allow it."""
    if not isinstance(input, DTensor) or input.ndim < 2 or reduction not in ("mean", "sum", "none"):
        return NotImplemented
    cuts = cuts_of(input.shape, input.placements, input.device_mesh)
    rest = [p for p in input.placements if not isinstance(p, Replicate)]
    indices = not target.is_floating_point() and target.shape == (input.shape[0], *input.shape[2:])
    if len(cuts) != 1 or len(rest) != 1 or cuts[0][1].dim != 1 or not indices:
        return NotImplemented
    if label_smoothing or size_average is not None or reduce is not None:
        return NotImplemented
    target, weight = (x.full_tensor() if isinstance(x, DTensor) else x for x in (target, weight))
    if weight is not None and weight.shape != (input.shape[1],):
        raise _C.ShapeError(
            f"cross_entropy: weight has shape {tuple(weight.shape)}, expected ({input.shape[1]},)"
        )
    part = input.to_local()
    loss = _DividedCrossEntropy.apply(part, target, weight, cuts[0][1], ignore_index, reduction)
    return DTensor.from_local(loss, input.device_mesh, [Replicate()] * input.device_mesh.ndim)


class _LossParallel(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ == "cross_entropy":
            loss = _cross_entropy(*args, **(kwargs or {}))
            if loss is not NotImplemented:
                return loss
        return func(*args, **(kwargs or {}))


@contextmanager
def loss_parallel():
    """While it is open, cross_entropy of a DTensor of logits [n, classes, ..] that one dimension of the mesh
    divides along the classes, Shard(1), is computed by parts: no rank holds the logits of all classes, and
    their gradient is divided likewise. The target, class indices, may be a plain tensor that all ranks have;
    so may weight. The loss is Replicate. With label smoothing, class probabilities, or logits that are
    divided otherwise, operands are gathered as outside, where the target must be a DTensor.

    Raises IndexError where a target is no class and not ignore_index.
    """
    with _LossParallel():
        yield
