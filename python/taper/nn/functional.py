"""Functions of nn: those of the library, and compositions of them."""

from .. import _C
from .._late import late as _late

globals().update(_C._homes["nn.functional"])

_ops = _C._homes["taper"]
sigmoid, tanh = _ops["sigmoid"], _ops["tanh"]
swish = silu  # noqa: F821


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """cross_entropy of linear(input, linear_weight, linear_bias): input [N, in] or [in], linear_weight [C,
    ..., in], target classes or probabilities of [N, C, ...]. options, of PyTorch's memory use, are accepted
    without effect."""
    op = "linear_cross_entropy"
    if input.ndim not in (1, 2) or linear_weight.ndim < 2 or input.shape[-1] != linear_weight.shape[-1]:
        raise _C.ShapeError(
            f"{op}: expected input [N, in] or [in] and weight [C, ..., in], got {list(input.shape)} and "
            f"{list(linear_weight.shape)}"
        )
    outputs = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != outputs:
        raise _C.ShapeError(f"{op}: expected linear_bias shape {outputs}, got {tuple(linear_bias.shape)}")
    if len(outputs) > 1 and input.ndim == 1:
        raise _C.ShapeError(
            f"{op}: a loss of several dimensions needs input [N, in], got {list(input.shape)}"
        )
    shape = (*input.shape[:-1], *outputs)
    if ignore_index is not None and tuple(target.shape) == shape:
        raise _C.ValueError(f"{op}: ignore_index cannot be specified when target contains probabilities")
    rows = linear_weight.reshape(-1, linear_weight.shape[-1])
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, rows, bias).reshape(shape)  # noqa: F821
    return cross_entropy(  # noqa: F821
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )


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
    if reduction not in ("mean", "sum", "none"):
        raise _C.ValueError(
            f"triplet_margin_with_distance_loss: {reduction} is not valid; use 'none', 'mean' or 'sum'"
        )
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


__getattr__, __dir__ = _late(
    __name__,
    {
        "_fractional": """fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d
            fractional_max_pool3d_with_indices""",
        "_variants": """relu_ leaky_relu_ elu_ celu_ selu_ hardtanh_ threshold_ max_pool1d_with_indices
            max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d_with_indices
            adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices conv_tbc rrelu_""",
        "multi_head": "multi_head_attention_forward",
    },
)
