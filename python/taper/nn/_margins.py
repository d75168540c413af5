"""nn.functional's margin losses over classes, pools by powers, and random slopes."""

from .. import _C

_ops = _C._homes["taper"]
_F = _C._homes["nn.functional"]


def _check_reduction(reduction, op):
    if reduction not in ("mean", "sum", "none"):
        raise _C.ValueError(
            f"{op}: {reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'"
        )


def _reduced(loss, reduction, op):
    _check_reduction(reduction, op)
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _name(size_average, reduce, reduction):
    if size_average is None and reduce is None:
        return reduction
    return "none" if reduce is False else "sum" if size_average is False else "mean"


def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Mean over the other classes of max(0, margin - x[target] + x[i])^p: [N, C] or [C]."""
    if p not in (1, 2):
        raise _C.ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    reduction = _name(size_average, reduce, reduction)
    _check_reduction(reduction, "multi_margin_loss")
    if weight is not None and (weight.ndim != 1 or weight.numel() != input.shape[-1]):
        raise _C.ShapeError(
            f"multi_margin_loss: weight must be one-dimensional with an entry per class of {list(input.shape)}, got "
            f"{list(weight.shape)}"
        )
    x, y = (input.reshape(1, -1), target.reshape(1)) if input.ndim <= 1 else (input, target)
    if x.ndim != 2 or tuple(y.shape) != tuple(x.shape[:1]) or x.shape[1] == 0:
        raise _C.ShapeError(
            f"multi_margin_loss: input must be [N, C] and target [N], got {list(input.shape)} and {list(target.shape)}"
        )
    column = y.unsqueeze(1)
    loss = (margin - x.gather(1, column) + x).clamp(min=0)
    loss = loss if p == 1 else loss * loss
    if weight is not None:
        loss = loss * weight[y].unsqueeze(1)
    loss = loss.scatter(1, column, 0).sum(1) / x.shape[1]
    return _reduced(loss.squeeze(0) if input.ndim <= 1 else loss, reduction, "multi_margin_loss")


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Sum over targets j (before the first -1) and other classes i of max(0, 1 - (x[j] - x[i])), over C."""
    reduction = _name(size_average, reduce, reduction)
    _check_reduction(reduction, "multilabel_margin_loss")
    if tuple(input.shape) != tuple(target.shape) or input.ndim > 2:
        raise _C.ShapeError(
            f"multilabel_margin_loss: input and target must be [N, C] or [C] of one shape, got {list(input.shape)} and "
            f"{list(target.shape)}"
        )
    x, y = (input.reshape(1, -1), target.reshape(1, -1)) if input.ndim <= 1 else (input, target)
    listed = (y < 0).to(_C.int64).cumsum(1) == 0
    places = y.clamp(min=0)
    is_target = _ops["zeros_like"](y).scatter_add(1, places, listed.to(y.dtype)) > 0
    chosen = x.gather(1, places)
    loss = (1 - chosen.unsqueeze(2) + x.unsqueeze(1)).clamp(min=0)
    counted = listed.unsqueeze(2) & is_target.logical_not().unsqueeze(1)
    loss = (loss * counted).sum((1, 2)) / max(x.shape[1], 1)
    return _reduced(loss.squeeze(0) if input.ndim <= 1 else loss, reduction, "multilabel_margin_loss")


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) for any distance."""
    if margin <= 0:
        raise _C.ValueError(f"triplet_margin_with_distance_loss: margin must be greater than 0, got {margin}")
    distance = distance_function or (lambda a, b: (a - b + 1e-6).norm(2, -1))
    apart = distance(anchor, negative)
    if swap:
        apart = _ops["minimum"](apart, distance(positive, negative))
    loss = (distance(anchor, positive) - apart + margin).clamp(min=0)
    return _reduced(loss, reduction, "triplet_margin_with_distance_loss")


def _lp_pool(dims, input, norm_type, kernel_size, stride, ceil_mode):
    kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * dims
    mean = _F[f"avg_pool{dims}d"](input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    count = 1
    for size in kernel:
        count *= size
    return (mean.sign() * mean.abs().relu() * count).pow(1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x^p over each window)^(1/p)."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x^p over each window)^(1/p)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x^p over each window)^(1/p)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def channel_shuffle(input, groups):
    """Channels of each group take turns: Zhang et al. 2018, arXiv:1707.01083."""
    if input.ndim < 3 or groups <= 0 or input.shape[1] % groups:
        raise _C.ShapeError(
            f"channel_shuffle: the channels of {list(input.shape)} are not divisible into {groups} groups"
        )
    return input.unflatten(1, (groups, input.shape[1] // groups)).transpose(1, 2).reshape(input.shape)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu with slopes drawn from [lower, upper] in training, with their mean otherwise."""
    if lower > upper:
        raise _C.ValueError(
            f"rrelu: lower bound {lower} should be less than or equal to the upper bound {upper}"
        )
    if not training:
        return _F["leaky_relu"](input, (lower + upper) / 2)
    slope = _ops["empty_like"](input.detach()).uniform_(lower, upper)
    return _ops["where"](input >= 0, input, input * slope)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels: Klambauer et al. 2017, arXiv:1706.02515."""
    if not 0 <= p <= 1:
        raise _C.ValueError(
            f"feature_alpha_dropout: dropout probability has to be between 0 and 1, but got {p}"
        )
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    lowest = -1.7580993408473766
    keep = _ops["full"](
        (*input.shape[:2], *(1,) * (input.ndim - 2)), 1 - p, dtype=input.dtype, device=input.device
    ).bernoulli()
    scale = ((1 - p) * (1 + p * lowest**2)) ** -0.5
    return (input * keep + lowest * (1 - keep)) * scale - scale * p * lowest
