# Plain NumPy versions of losses and of the functions of networks, for references.py.
import itertools

import numpy as np
import scipy.special


def loss(values, reduction="mean", size_average=None, reduce=None, weight=None):
    """What a loss makes of its values; size_average and reduce are the older way to say reduction."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    values = values if weight is None else values * weight
    return values if reduction == "none" else values.sum() if reduction == "sum" else values.mean()


def kl_div(x, target, reduction, log_target):
    values = np.exp(target) * (target - x) if log_target else scipy.special.xlogy(target, target) - target * x
    return values.sum() / len(x) if reduction == "batchmean" else loss(values, reduction)


def poisson_nll(x, target, log_input, full, eps, reduction):
    values = np.exp(x) - target * x if log_input else x - target * np.log(x + eps)
    if full:
        positive = np.maximum(target, 1e-300)
        stirling = target * np.log(positive) - target + np.log(2 * np.pi * positive) / 2
        values = values + np.where(target > 1, stirling, 0)
    return loss(values, reduction)


def gaussian_nll(x, target, variance, full, reduction):
    variance = np.asarray(variance)
    if variance.ndim == x.ndim - 1 and variance.ndim:
        variance = variance[..., None]
    values = (np.log(variance) + (x - target) ** 2 / variance) / 2
    return loss(values + (np.log(2 * np.pi) / 2 if full else 0), reduction)


def multilabel_soft_margin(x, target, weight, reduction):
    values = -target * scipy.special.log_expit(x) - (1 - target) * scipy.special.log_expit(-x)
    return loss((values if weight is None else values * weight).mean(-1), reduction)


def multi_margin(x, target, p, margin, weight, reduction):
    rows, classes = np.atleast_2d(x), np.atleast_1d(target)
    values = []
    for row, chosen in zip(rows, classes):
        others = [max(0, margin - row[chosen] + v) ** p for i, v in enumerate(row) if i != chosen]
        values.append(sum(others) / len(row) * (1 if weight is None else weight[chosen]))
    return loss(np.array(values) if np.ndim(target) else np.array(values[0]), reduction)


def multilabel_margin(x, target, reduction):
    values = []
    for row, listed in zip(np.atleast_2d(x), np.atleast_2d(target)):
        chosen = list(itertools.takewhile(lambda j: j >= 0, listed))
        others = [i for i in range(len(row)) if i not in chosen]
        values.append(sum(max(0, 1 - row[j] + row[i]) for j in chosen for i in others) / len(row))
    return loss(np.array(values) if x.ndim > 1 else np.array(values[0]), reduction)


def cosine_similarity(a, b, dim=-1, eps=1e-8):
    sizes = [np.maximum(np.linalg.norm(v, axis=dim), eps) for v in (a, b)]
    return (a * b).sum(dim) / sizes[0] / sizes[1]


def cosine_embedding(a, b, target, margin, reduction):
    cosine = cosine_similarity(a, b)
    return loss(np.where(target == 1, 1 - cosine, np.maximum(0, cosine - margin)), reduction)


def triplet_margin(anchor, positive, negative, margin, p, eps, swap, reduction):
    def distance(a, b):
        return np.linalg.norm(a - b + eps, ord=p, axis=-1)

    apart = distance(anchor, negative)
    apart = np.minimum(apart, distance(positive, negative)) if swap else apart
    return loss(np.maximum(0, distance(anchor, positive) - apart + margin), reduction)


def ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    """The sum over all alignments, one by one."""
    single = log_probs.ndim == 2
    log_probs = log_probs[:, None] if single else log_probs
    inputs, counts = np.atleast_1d(input_lengths), np.atleast_1d(target_lengths)
    ends = np.cumsum(counts)
    values = []
    for n in range(log_probs.shape[1]):
        if targets.ndim == 2:
            labels = targets[n, : counts[n]]
        else:
            labels = targets[ends[n] - counts[n] : ends[n]]
        total = 0
        for path in itertools.product(range(log_probs.shape[2]), repeat=int(inputs[n])):
            merged = [c for c, _ in itertools.groupby(path) if c != blank]
            if merged == list(labels):
                total += np.exp(sum(log_probs[t, n, c] for t, c in enumerate(path)))
        with np.errstate(divide="ignore"):
            values.append(-np.log(total))
    values = np.array(values)
    values = np.where(np.isinf(values), 0, values) if zero_infinity else values
    if reduction == "mean":
        return (values / np.maximum(counts, 1)).mean()
    return values[0] if single and reduction == "none" else loss(values, reduction)


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _windows(shape, kernel, dilation, padding, stride):
    """For each window and element of it, in order: its place in the padded image."""
    counts = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, d, p, s in zip(shape, kernel, dilation, padding, stride)
    ]
    for place in itertools.product(range(kernel[0]), range(kernel[1])):
        for window in itertools.product(range(counts[0]), range(counts[1])):
            yield tuple(w * s + e * d for w, s, e, d in zip(window, stride, place, dilation))


def im2col(x, kernel_size, dilation, padding, stride):
    if x.ndim == 3:
        return im2col(x[None], kernel_size, dilation, padding, stride)[0]
    sizes = [_pair(v) for v in (kernel_size, dilation, padding, stride)]
    edges = [(p, p) for p in sizes[2]]
    padded = np.pad(x, [(0, 0), (0, 0), *edges])
    columns = [padded[:, :, r, c] for r, c in _windows(x.shape[2:], *sizes)]
    elements = sizes[0][0] * sizes[0][1]
    stacked = np.stack(columns, -1).reshape(*x.shape[:2], elements, -1)
    return stacked.reshape(len(x), x.shape[1] * elements, -1)


def col2im(columns, output_size, kernel_size, dilation, padding, stride):
    if columns.ndim == 2:
        return col2im(columns[None], output_size, kernel_size, dilation, padding, stride)[0]
    shape = _pair(output_size)
    sizes = [_pair(v) for v in (kernel_size, dilation, padding, stride)]
    (ph, pw), channels = sizes[2], columns.shape[1] // (sizes[0][0] * sizes[0][1])
    image = np.zeros((len(columns), channels, shape[0] + 2 * ph, shape[1] + 2 * pw))
    values = columns.reshape(len(columns), channels, -1)
    for i, (r, c) in enumerate(_windows(shape, *sizes)):
        image[:, :, r, c] += values[:, :, i]
    return image[:, :, ph : ph + shape[0], pw : pw + shape[1]]


def max_unpool(x, indices, dims, kernel_size, stride, padding, output_size):
    kernel, pads = ([v] * dims if np.isscalar(v) else list(v) for v in (kernel_size, padding))
    steps = kernel if stride is None else [stride] * dims if np.isscalar(stride) else list(stride)
    sizes = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(x.shape[-dims:], steps, pads, kernel)]
    sizes = sizes if output_size is None else list(output_size)[-dims:]
    lead = x.shape[:-dims]
    flat = np.zeros((*lead, int(np.prod(sizes))))
    np.put_along_axis(flat, indices.reshape(*lead, -1), x.reshape(*lead, -1), -1)
    return flat.reshape(*lead, *sizes)


def lp_pool(x, p, dims, kernel_size, stride):
    kernel = [kernel_size] * dims if np.isscalar(kernel_size) else list(kernel_size)
    steps = kernel if stride is None else [stride] * dims if np.isscalar(stride) else list(stride)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, tuple(range(-dims, 0)))
    windows = windows[(..., *[slice(None, None, s) for s in steps], *[slice(None)] * dims)]
    return (windows**p).sum(tuple(range(-dims, 0))) ** (1 / p)


def pixel_shuffle(x, r):
    *lead, channels, height, width = x.shape
    y = np.empty((*lead, channels // r**2, height * r, width * r))
    for i, j in itertools.product(range(r), range(r)):
        y[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return y


def pixel_unshuffle(x, r):
    *lead, channels, height, width = x.shape
    y = np.empty((*lead, channels * r**2, height // r, width // r))
    for i, j in itertools.product(range(r), range(r)):
        y[..., i * r + j :: r * r, :, :] = x[..., i::r, j::r]
    return y


def affine_grid(theta, size, align_corners):
    axes = []
    for count in size[2:]:
        edges = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
        axes.append(edges if align_corners else edges * (count - 1) / count)
    points = np.stack([*reversed(np.meshgrid(*axes, indexing="ij")), np.ones(size[2:])], -1)
    return np.einsum("nij,...j->n...i", theta, points)


def _reflect(x, low, high):
    if high <= low:
        return 0.0
    x = abs(x - low) % (2 * (high - low))
    return low + min(x, 2 * (high - low) - x)


def _cubic(t):
    t = abs(t)
    a = -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def grid_sample(x, grid, mode, padding_mode, align_corners):
    """Pixel by pixel: the sum of the neighbours, each weighted by its distances."""
    dims, sizes = x.ndim - 2, x.shape[2:]

    def inside(p, size):
        if padding_mode == "reflection":
            p = _reflect(p, 0, size - 1) if align_corners else _reflect(p, -0.5, size - 0.5)
        return p if padding_mode == "zeros" else min(max(p, 0), size - 1)

    weight, reach = {
        "bilinear": (lambda t: max(0, 1 - abs(t)), (0, 1)),
        "bicubic": (_cubic, (-1, 0, 1, 2)),
        "nearest": (lambda t: 1.0, (0,)),
    }[mode]
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n, *out in np.ndindex(grid.shape[:-1]):
        point = grid[(n, *out)][::-1]
        pixels = [
            (p + 1) / 2 * (size - 1) if align_corners else ((p + 1) * size - 1) / 2
            for p, size in zip(point, sizes)
        ]
        if mode != "bicubic":
            pixels = [inside(p, size) for p, size in zip(pixels, sizes)]
        if mode == "nearest":
            pixels = [np.round(p) for p in pixels]
        for steps in itertools.product(reach, repeat=dims):
            places = [int(np.floor(p)) + s for p, s in zip(pixels, steps)]
            factor = np.prod([weight(p - place) for p, place in zip(pixels, places)])
            if mode == "bicubic":
                places = [inside(p, size) for p, size in zip(places, sizes)]
            places = [int(p) for p in places]
            if all(0 <= p < size for p, size in zip(places, sizes)):
                y[(n, slice(None), *out)] += factor * x[(n, slice(None), *places)]
    return y


def local_response_norm(x, size, alpha, beta, k):
    energy = np.zeros_like(x)
    for channel in range(x.shape[1]):
        first = channel - size // 2
        window = x[:, max(first, 0) : max(first + size, 0)]
        energy[:, channel] = (window**2).sum(1) / size
    return x / (k + alpha * energy) ** beta
