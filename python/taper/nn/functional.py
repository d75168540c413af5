"""Functions of nn: those of the library, and compositions of them."""

import functools
import math

from .. import _C
from .._late import late as _late

globals().update(_C._homes["nn.functional"])

_ops = _C._homes["taper"]
sigmoid, tanh = _ops["sigmoid"], _ops["tanh"]
swish = silu  # noqa: F821


def _reduced(loss, reduction, op):
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise _C.ValueError(
            f"{op}: {reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'"
        )
    return loss


def _reduction_name(size_average, reduce, reduction):
    if size_average is None and reduce is None:
        return reduction
    return "none" if reduce is False else "sum" if size_average is False else "mean"


def _check_same_shape(op, input, target, first="input", second="target"):
    """A loss over shapes that only broadcast is nearly always a mistake that trains on garbage."""
    if input.shape != target.shape:
        hint = ""
        if input.numel() == target.numel():
            hint = (
                f"; reshape one of them, e.g. {second}.reshape({tuple(input.shape)}) or {first}.squeeze(-1)"
            )
        raise _C.ShapeError(
            f"{op}: {first} has shape {tuple(input.shape)} but {second} has shape {tuple(target.shape)}; "
            f"they must be the same{hint}"
        )


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)^2. Shapes must be equal."""
    _check_same_shape("mse_loss", input, target)
    loss = (input - target).square()
    return _reduced(
        loss if weight is None else loss * weight,
        _reduction_name(size_average, reduce, reduction),
        "mse_loss",
    )


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|. Shapes must be equal."""
    _check_same_shape("l1_loss", input, target)
    loss = (input - target).abs()
    return _reduced(
        loss if weight is None else loss * weight, _reduction_name(size_average, reduce, reduction), "l1_loss"
    )


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half the square below delta, linear above: Huber 1964."""
    _check_same_shape("huber_loss", input, target)
    if delta <= 0:
        raise _C.ValueError(f"huber_loss: delta must be positive, got {delta}")
    loss = _ops["_huber"](input - target, delta)
    return _reduced(loss if weight is None else loss * weight, reduction, "huber_loss")


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Half the square over beta below beta, linear above."""
    _check_same_shape("smooth_l1_loss", input, target)
    if beta < 0:
        raise _C.ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    difference = input - target
    loss = difference.abs() if beta == 0 else _ops["_huber"](difference, beta)
    if beta not in (0, 1):
        loss = loss / beta
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "smooth_l1_loss")


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(target log(input) + (1 - target) log(1 - input)), logarithms bounded from below by -100."""
    _check_same_shape("binary_cross_entropy", input, target)
    values = input.detach()
    if values.numel() and not (float(values.min()) >= 0 and float(values.max()) <= 1):
        raise _C.ValueError(
            "binary_cross_entropy: all elements of input should be between 0 and 1; apply sigmoid() or "
            "use binary_cross_entropy_with_logits"
        )
    loss = -(target * input.log().clamp(min=-100) + (1 - target) * (1 - input).log().clamp(min=-100))
    if weight is not None:
        loss = loss * weight
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "binary_cross_entropy")


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """binary_cross_entropy of sigmoid(input), without overflow."""
    _check_same_shape("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = (1 - target) * input - logsigmoid(input)  # noqa: F821
    else:
        loss = (1 - target) * input - (1 + (pos_weight - 1) * target) * logsigmoid(input)  # noqa: F821
    if weight is not None:
        loss = loss * weight
    return _reduced(
        loss, _reduction_name(size_average, reduce, reduction), "binary_cross_entropy_with_logits"
    )


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
    """cross_entropy of linear(input, linear_weight, linear_bias): input [N, in] or [in], linear_weight [C, ..., in],
    target classes or probabilities of [N, C, ...]. options, of PyTorch's memory use, are accepted without effect."""
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


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target (log(target) - input) of log-probabilities input. Shapes must be equal."""
    _check_same_shape("kl_div", input, target)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = _ops["xlogy"](target, target) - target * input
    reduction = _reduction_name(size_average, reduce, reduction)
    if reduction == "batchmean":
        return loss.sum() / max(input.shape[0] if input.ndim else 1, 1)
    return _reduced(loss, reduction, "kl_div")


def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """exp(input) - target input (of log rates), or input - target log(input)."""
    _check_same_shape("poisson_nll_loss", input, target)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "poisson_nll_loss")


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log-likelihood of target under normal distributions of mean input and variance var.

    One dimension of target or of var may be 1 where input's is not, and var may lack input's last dimension.
    """
    if isinstance(var, (int, float)):
        if var < 0:
            raise _C.ValueError(f"gaussian_nll_loss: var must not be negative, got {var}")
        var = var * _ops["ones_like"](input)
    elif (var < 0).any():
        raise _C.ValueError("gaussian_nll_loss: var has negative entry/entries")
    if var.shape == input.shape[:-1] and var.ndim < input.ndim:
        var = var.unsqueeze(-1)
    for name, other in (("target", target), ("var", var)):
        sizes = list(zip(input.shape, other.shape))
        if input.ndim != other.ndim or any(a != b and 1 not in (a, b) for a, b in sizes):
            _check_same_shape("gaussian_nll_loss", input, other, "input", name)
    if reduction not in ("none", "mean", "sum"):
        raise _C.ValueError(f"gaussian_nll_loss: {reduction} is not valid; use 'none', 'mean' or 'sum'")
    var = _ops["maximum"](var, _ops["full_like"](var.detach(), eps))
    loss = 0.5 * (var.log() + (input - target).square() / var)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction, "gaussian_nll_loss")


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1. Shapes must be equal."""
    _check_same_shape("hinge_embedding_loss", input, target)
    zero = _ops["zeros_like"](input)
    loss = _ops["where"](target != -1, input, zero) + _ops["where"](
        target != 1, (margin - input).clamp(min=0), zero
    )
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "hinge_embedding_loss")


def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target (input1 - input2) + float(margin)). Shapes must be equal."""
    _check_same_shape("margin_ranking_loss", input1, input2, "input1", "input2")
    _check_same_shape("margin_ranking_loss", input1, target, "input1")
    loss = (-target * (input1 - input2) + float(margin)).clamp(min=0)
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "margin_ranking_loss")


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1."""
    input1, input2 = (
        x if x.is_floating_point() or x.is_complex() else x.to(_C.get_default_dtype())
        for x in (input1, input2)
    )
    cosine = cosine_similarity(input1, input2, dim=-1)
    _check_same_shape("cosine_embedding_loss", cosine, target, "the cosine of the inputs")
    loss = _ops["where"](target == 1, 1 - cosine, (cosine - margin).clamp(min=0))
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "cosine_embedding_loss")


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input)). Shapes must be equal."""
    _check_same_shape("soft_margin_loss", input, target)
    loss = softplus(-target * input)  # noqa: F821
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "soft_margin_loss")


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Mean over classes of binary cross entropies of logits. Shapes must be equal."""
    _check_same_shape("multilabel_soft_margin_loss", input, target)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))  # noqa: F821
    loss = (loss if weight is None else loss * weight).mean(-1)
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "multilabel_soft_margin_loss")


def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin)."""
    if margin <= 0:
        raise _C.ValueError(f"triplet_margin_loss: margin must be greater than 0, got {margin}")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = _ops["minimum"](far, pairwise_distance(positive, negative, p, eps))
    loss = (near - far + margin).clamp(min=0)
    return _reduced(loss, _reduction_name(size_average, reduce, reduction), "triplet_margin_loss")


def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False
):
    """Graves et al. 2006: log_probs [T, N, C] or [T, C]; targets [N, S] or all in a row; by the forward
    recursion."""
    if log_probs.ndim == 2:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.reshape(1, -1)
        unbatched = True
    else:
        unbatched = False
    steps, batch, classes = log_probs.shape
    lengths = [
        int(n)
        for n in (
            input_lengths.reshape(-1).tolist()
            if isinstance(input_lengths, _C.Tensor)
            else (input_lengths if isinstance(input_lengths, (tuple, list)) else [input_lengths])
        )
    ]
    sizes = [
        int(n)
        for n in (
            target_lengths.reshape(-1).tolist()
            if isinstance(target_lengths, _C.Tensor)
            else (target_lengths if isinstance(target_lengths, (tuple, list)) else [target_lengths])
        )
    ]
    if len(lengths) != batch or len(sizes) != batch:
        raise _C.ShapeError(
            f"ctc_loss: input_lengths and target_lengths must have one entry for each of {batch} samples"
        )
    if not 0 <= blank < classes:
        raise _C.IndexError(f"ctc_loss: blank {blank} is out of range for {classes} classes")
    for name, values in (("input", lengths), ("target", sizes)):
        if min(values, default=0) < 0:
            raise _C.ValueError(f"ctc_loss: {name} length {min(values)} is negative")
    labels = targets.tolist()
    if targets.ndim == 1:
        ends = [sum(sizes[: i + 1]) for i in range(batch)]
        labels = [labels[end - size : end] for end, size in zip(ends, sizes)]
    losses = []
    for sample in range(batch):
        row = [int(v) for v in labels[sample][: sizes[sample]]]
        if len(row) < sizes[sample]:
            raise _C.ShapeError(
                f"ctc_loss: sample {sample} has {len(row)} labels, fewer than its length {sizes[sample]}"
            )
        if lengths[sample] > steps:
            raise _C.ShapeError(
                f"ctc_loss: input length {lengths[sample]} of sample {sample} exceeds {steps} steps"
            )
        for position, label in enumerate(row):
            if not 0 <= label < classes:
                raise _C.IndexError(
                    f"ctc_loss: label {label} at position {position} of sample {sample} is out of range "
                    f"for {classes} classes, expected 0 to {classes - 1}"
                )
        losses.append(_ctc_sample(log_probs[: lengths[sample], sample], row, blank))
    loss = _ops["stack"](losses)
    if zero_infinity:
        loss = loss.masked_fill(loss == math.inf, 0)
    if reduction == "mean":
        return (loss / loss.new_tensor([max(s, 1) for s in sizes])).mean()
    if unbatched and reduction == "none":
        return loss[0]
    return _reduced(loss, reduction, "ctc_loss")


def _ctc_sample(log_probs, labels, blank):
    path = [blank]
    for label in labels:
        path += [label, blank]
    places = log_probs.new_tensor(path, dtype=_C.int64)
    emitted = log_probs.index_select(1, places)
    never = -1e30
    count = len(path)
    skips = [never if i < 2 or path[i] == blank or path[i] == path[i - 2] else 0.0 for i in range(count)]
    skip = log_probs.new_tensor(skips)
    start = log_probs.new_tensor([0.0 if i < 2 else never for i in range(count)])
    if log_probs.shape[0] == 0:
        return log_probs.new_full((), 0.0 if not labels else math.inf)
    alpha = start + emitted[0]
    for step in range(1, log_probs.shape[0]):
        one = pad(alpha[:-1], (1, 0), value=never)  # noqa: F821
        two = (
            pad(alpha[:-2], (2, 0), value=never) + skip
            if count > 2
            else _ops["full_like"](alpha.detach(), never)
        )  # noqa: F821
        alpha = _ops["stack"]([alpha, one, two]).logsumexp(0) + emitted[step]
    total = alpha[-2:].logsumexp(0) if count > 1 else alpha[-1]
    # PyTorch's gradient has exp(log_probs) added, which that of log_softmax takes away again.
    mass = log_probs.clamp(max=80).exp().sum()
    total = total - (mass - mass.detach())
    return -total if float(total.detach()) > never / 2 else total * 0 + math.inf


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input / max(|input|_p, eps) along dim."""
    result = input / input.norm(p, dim, True).clamp(min=eps)
    if out is None:
        return result
    return out.resize_(result.shape).copy_(result)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (|x1| |x2|) along dim."""
    x1, x2 = _ops["broadcast_tensors"]([x1, x2]) if "broadcast_tensors" in _ops else (x1, x2)
    size1 = x1.norm(2, dim).clamp(min=eps)
    size2 = x2.norm(2, dim).clamp(min=eps)
    return (x1 * x2).sum(dim) / (size1 * size2)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """|x1 - x2 + eps|_p over the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def bilinear(input1, input2, weight, bias=None):
    """x1^T W x2 + bias: weight [out, in1, in2]."""
    inner = (input1.unsqueeze(-2).unsqueeze(-2) @ weight).squeeze(-2)
    result = (inner @ input2.unsqueeze(-1)).squeeze(-1)
    return result if bias is None else result + bias


def one_hot(tensor, num_classes=-1):
    """1 at the class of each element along a new last dimension, 0 elsewhere."""
    if tensor.dtype is not _C.int64:
        raise _C.DTypeError(f"one_hot: expected int64 classes, got {tensor.dtype}")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise _C.ValueError("one_hot: cannot infer the number of classes of an empty tensor")
        return _ops["zeros"]((*tensor.shape, num_classes), dtype=_C.int64, device=tensor.device)
    low, high = int(tensor.min()), int(tensor.max())
    if num_classes == -1:
        num_classes = high + 1
    wrong = low if low < 0 else high
    if not 0 <= wrong < num_classes:
        place = (tensor.reshape(-1) == wrong).nonzero()[0].item()
        raise _C.IndexError(
            f"one_hot: class {wrong} at position {place} is out of range for {num_classes} classes, expected 0 "
            f"to {num_classes - 1}"
        )
    zeros = _ops["zeros"]((*tensor.shape, num_classes), dtype=_C.int64, device=tensor.device)
    return zeros.scatter(-1, tensor.unsqueeze(-1), 1)


def pixel_shuffle(input, upscale_factor):
    """[..., C r^2, H, W] -> [..., C, H r, W r]: Shi et al. 2016, arXiv:1609.05158."""
    r = upscale_factor
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        raise _C.ShapeError(
            f"pixel_shuffle: {channels} channels of shape {tuple(input.shape)} are not divisible by {r * r}"
        )
    blocks = input.reshape(*batch, channels // (r * r), r, r, height, width)
    n = len(batch)
    order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    return blocks.permute(order).reshape(*batch, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input, downscale_factor):
    """The inverse of pixel_shuffle."""
    r = downscale_factor
    *batch, channels, height, width = input.shape
    if height % r or width % r:
        raise _C.ShapeError(f"pixel_unshuffle: sizes {height} x {width} are not divisible by {r}")
    n = len(batch)
    blocks = input.reshape(*batch, channels, height // r, r, width // r, r)
    return blocks.permute([*range(n), n, n + 2, n + 4, n + 1, n + 3]).reshape(
        *batch, channels * r * r, height // r, width // r
    )


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance under SELU: Klambauer et al. 2017, arXiv:1706.02515."""
    if p < 0 or p > 1:
        raise _C.ValueError(f"alpha_dropout: probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    low = -1.7580993408473766
    keep = _ops["bernoulli"](_ops["empty_like"](input.detach()), 1 - p)
    scale = 1 / math.sqrt((1 - p) * (1 + p * low * low))
    return (input * keep + low * (1 - keep)) * scale - scale * p * low


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Samples of a relaxed categorical distribution: Jang et al. 2016, arXiv:1611.01144."""
    noise = -_ops["empty_like"](logits.detach()).exponential_().log()
    soft = softmax((logits + noise) / tau, dim)  # noqa: F821
    if not hard:
        return soft
    index = soft.detach().argmax(dim, keepdim=True)
    return _ops["zeros_like"](soft.detach()).scatter(dim, index, 1.0) - soft.detach() + soft


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Division by the energy of neighbouring channels: Krizhevsky et al. 2012."""
    energy = input.square().unsqueeze(1)
    half = size // 2
    flat = energy.flatten(3)
    mean = avg_pool2d(pad(flat, (0, 0, half, (size - 1) // 2)), (size, 1), 1)  # noqa: F821
    return input / (mean.reshape(input.shape) * alpha + k).pow(beta)


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Windows of [N, C, H, W] as columns [N, C KH KW, L]."""
    pair = [
        tuple(v) if isinstance(v, (tuple, list)) else (v, v) for v in (kernel_size, dilation, padding, stride)
    ]
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = pair
    x = pad(input, (pw, pw, ph, ph))  # noqa: F821
    windows = x.unfold(-2, dh * (kh - 1) + 1, sh).unfold(-2, dw * (kw - 1) + 1, sw)[..., ::dh, ::dw]
    n, c, rows, columns = windows.shape[:4]
    return windows.permute(0, 1, 4, 5, 2, 3).reshape(n, c * kh * kw, rows * columns)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Sums of columns [N, C KH KW, L] at the places unfold took them from."""
    pair = [
        tuple(v) if isinstance(v, (tuple, list)) else (v, v)
        for v in (output_size, kernel_size, dilation, padding, stride)
    ]
    (height, width), (kh, kw), (dh, dw), (ph, pw), (sh, sw) = pair
    n, channels = input.shape[0], input.shape[1] // (kh * kw)
    padded_height, padded_width = height + 2 * ph, width + 2 * pw
    places = (
        unfold(
            _ops["arange"](padded_height * padded_width, dtype=_C.float64, device=input.device).reshape(
                1, 1, padded_height, padded_width
            ),
            (kh, kw),
            (dh, dw),
            0,
            (sh, sw),
        )
        .long()
        .reshape(-1)
    )
    result = input.new_zeros(n, channels, padded_height * padded_width)
    result = result.index_add(2, places, input.reshape(n, channels, -1))
    return result.reshape(n, channels, padded_height, padded_width)[:, :, ph : ph + height, pw : pw + width]


def _in_float32(function):
    """The function with its floating arguments in float32 where autocast is on, as PyTorch has it for
    losses."""

    @functools.wraps(function)
    def cast(*args, **kwargs):
        if not _C.is_autocast_enabled("cpu"):
            return function(*args, **kwargs)
        return function(
            *map(_as_float32, args), **{name: _as_float32(value) for name, value in kwargs.items()}
        )

    return cast


def _as_float32(value):
    small = isinstance(value, _C.Tensor) and value.dtype in (_C.bfloat16, _C.float16)
    return value.to(_C.float32) if small else value


__getattr__, __dir__ = _late(
    __name__,
    {
        "_fractional": """fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d
            fractional_max_pool3d_with_indices""",
        "_margins": """channel_shuffle feature_alpha_dropout lp_pool1d lp_pool2d lp_pool3d multi_margin_loss
            multilabel_margin_loss rrelu triplet_margin_with_distance_loss""",
        "_sampling": "affine_grid grid_sample max_unpool1d max_unpool2d max_unpool3d",
        "_variants": """relu_ leaky_relu_ elu_ celu_ selu_ hardtanh_ threshold_ max_pool1d_with_indices
            max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d_with_indices
            adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices""",
        "multi_head": "multi_head_attention_forward",
    },
)

for _name in (
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "ctc_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
):
    globals()[_name] = _in_float32(globals()[_name])
