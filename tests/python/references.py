# Plain NumPy versions of what NumPy and SciPy lack, for the reference expressions of the registry.
import itertools

import numpy as np
import scipy as sp
import scipy.linalg
import scipy.special
from network_references import *  # noqa: F403


def div(x, y, rounding_mode):
    with np.errstate(all="ignore"):
        if rounding_mode == "floor":
            return np.floor_divide(x, y)
        if rounding_mode == "trunc":
            return np.trunc(np.true_divide(x, y)).astype(np.result_type(x, y))
        return np.true_divide(x, y)


def selu(x):
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


def gelu(x, approximate):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x * scipy.special.ndtr(x)


def logit(x, eps):
    return scipy.special.logit(x if eps is None else np.clip(x, eps, 1 - eps))


def prelu(x, weight):
    if weight.size > 1:
        weight = weight.reshape([-1 if d == 1 else 1 for d in range(x.ndim)])
    return np.where(x > 0, x, weight * x)


def glu(x, dim):
    a, b = np.split(x, 2, axis=dim)
    return a * scipy.special.expit(b)


def sgn(x):
    return x / np.abs(x) if np.iscomplexobj(x) else np.sign(x)


def norm(x, p, dim, keepdim):
    p = 2 if p is None else p
    axes = tuple(range(x.ndim)) if dim is None else dim
    size = np.abs(x)
    if p == np.inf:
        return np.max(size, axis=axes, keepdims=keepdim)
    if p == -np.inf:
        return np.min(size, axis=axes, keepdims=keepdim)
    return np.sum(size**p, axis=axes, keepdims=keepdim) ** (1 / p)


def extreme(x, dim, keepdim, value, place):
    if x.ndim == 0:
        return x, np.int64(0)
    return value(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)


def running_extreme(x, dim, beats):
    moved = np.moveaxis(x, dim, 0)
    values, places = moved.copy(), np.zeros(moved.shape, np.int64)
    for k in range(1, len(moved)):
        better = beats(moved[k], values[k - 1])
        values[k] = np.where(better, moved[k], values[k - 1])
        places[k] = np.where(better, k, places[k - 1])
    return np.moveaxis(values, 0, dim), np.moveaxis(places, 0, dim)


def sort(x, dim, descending):
    if x.ndim == 0:
        return x, np.int64(0)
    places = np.argsort(-x if descending else x, axis=dim, kind="stable")
    return np.take_along_axis(x, places, dim), places


def logcumsumexp(x, dim):
    if x.ndim == 0:
        return x
    if np.iscomplexobj(x):
        return np.log(np.cumsum(np.exp(x), axis=dim))
    return np.logaddexp.accumulate(x, axis=dim)


def logaddexp(x, y):
    if np.iscomplexobj(x):
        return np.log(np.exp(x) + np.exp(y))
    return np.logaddexp(x, y)


def topk(x, k, dim, largest):
    values, places = sort(x, dim, largest)
    return np.take(values, range(k), axis=dim), np.take(places, np.arange(k, dtype=int), axis=dim)


def kthvalue(x, k, dim, keepdim):
    values, places = sort(x, dim, False)
    kept = [k - 1] if keepdim else k - 1
    return np.take(values, kept, axis=dim), np.take(places, kept, axis=dim)


def unique(x, return_inverse, return_counts, dim):
    results = np.unique(x, return_inverse=return_inverse, return_counts=return_counts, axis=dim)
    if return_inverse and dim is None:
        return (results[0], results[1].reshape(x.shape), *results[2:])
    return results


def squeeze(x, dim):
    dims = [d % x.ndim for d in ((dim,) if np.isscalar(dim) else dim)]
    return x.reshape([n for d, n in enumerate(x.shape) if not (d in dims and n == 1)])


def expand(x, size):
    lead = len(size) - x.ndim
    return np.broadcast_to(x, [x.shape[d - lead] if n == -1 else n for d, n in enumerate(size)])


def narrow(x, dim, start, length):
    return np.take(x, np.arange(length) + start % x.shape[dim], axis=dim)


def flatten(x, start_dim, end_dim):
    if x.ndim == 0:
        return x.reshape(1)
    first, last = start_dim % x.ndim, end_dim % x.ndim
    return x.reshape(*x.shape[:first], int(np.prod(x.shape[first : last + 1])), *x.shape[last + 1 :])


def unflatten(x, dim, sizes):
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def unfold(x, dimension, size, step):
    starts = range(0, x.shape[dimension] - size + 1, step)
    windows = [np.moveaxis(np.take(x, range(s, s + size), axis=dimension), dimension, -1) for s in starts]
    return np.stack(windows, axis=dimension)


def as_strided(x, size, stride, storage_offset):
    flat = x.ravel()
    result = np.empty(size, x.dtype)
    for place in np.ndindex(*size):
        result[place] = flat[(storage_offset or 0) + sum(i * s for i, s in zip(place, stride))]
    return result


def sum_to_size(x, size):
    lead = x.ndim - len(size)
    x = x.sum(axis=tuple(range(lead)))
    return x.sum(axis=tuple(d for d, n in enumerate(size) if n == 1), keepdims=True)


def split(x, sections, dim):
    n = x.shape[dim]
    if np.isscalar(sections):
        sections = [min(sections, n - start) for start in range(0, n, sections)]
    return np.split(x, np.cumsum(sections)[:-1], axis=dim)


def chunk(x, chunks, dim):
    return split(x, -(-x.shape[dim] // chunks), dim)


def pad(x, pad, mode, value):
    widths = [(0, 0)] * (x.ndim - len(pad) // 2) + [
        tuple(pad[k : k + 2]) for k in range(len(pad) - 2, -1, -2)
    ]
    x = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, x.shape))]
    widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        return np.pad(x, widths, constant_values=value or 0)
    return np.pad(x, widths, mode={"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])


def diag_embed(x, offset):
    n = x.shape[-1] + abs(offset)
    result = np.zeros((*x.shape[:-1], n, n), x.dtype)
    rows = np.arange(x.shape[-1])
    result[..., rows + max(-offset, 0), rows + max(offset, 0)] = x
    return result


def _along(index, dim):
    places = list(np.indices(index.shape))
    places[dim] = index
    return tuple(places)


def gather(x, dim, index):
    return x[_along(index, dim)]


def scatter(x, dim, index, src):
    result = x.copy()
    result[_along(index, dim)] = src if np.ndim(src) == 0 else src[tuple(map(slice, index.shape))]
    return result


def scatter_add(x, dim, index, src):
    result = x.copy()
    np.add.at(result, _along(index, dim), src[tuple(map(slice, index.shape))])
    return result


def _slices(x, dim, index):
    return (slice(None),) * (dim % x.ndim) + (index,)


def index_add(x, dim, index, source, alpha):
    result = x.copy()
    np.add.at(result, _slices(x, dim, index), alpha * source)
    return result


def index_copy(x, dim, index, source):
    result = x.copy()
    result[_slices(x, dim, index)] = source
    return result


def index_fill(x, dim, index, value):
    result = x.copy()
    result[_slices(x, dim, index)] = value
    return result


def index_put(x, indices, values, accumulate):
    result = x.copy()
    if accumulate:
        np.add.at(result, tuple(indices), values)
    else:
        result[tuple(indices)] = values
    return result


def masked_select(x, mask):
    x, mask = np.broadcast_arrays(x, mask)
    return x[mask]


def embedding(index, weight):
    return weight[index]


def embedding_bag(index, weight, offsets, mode, factors, include_last_offset):
    rows = weight[index] if factors is None else weight[index] * factors[..., None]
    if index.ndim == 1:
        ends = list(offsets[1:]) + ([] if include_last_offset else [len(index)])
        rows = [rows[start:end] for start, end in zip(offsets, ends)]
    fold = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    return np.stack([fold(bag, axis=0) if len(bag) else np.zeros(weight.shape[1]) for bag in rows])


def _cubic(x):
    """Keys' kernel with a = -0.75."""
    x = abs(x)
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def _resize_matrix(size, out, factor, mode, align_corners):
    """[out, size]: the weight of each input in each output."""
    weights = np.zeros((out, size))
    step = size / out if factor is None else 1 / factor
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0
    for o in range(out):
        if mode.startswith("nearest"):
            weights[o, min(int((o + (0.5 if mode == "nearest-exact" else 0)) * step), size - 1)] = 1
        elif mode == "area":
            start, end = o * size // out, -(-(o + 1) * size // out)
            weights[o, start:end] = 1 / (end - start)
        else:
            place = o * step if align_corners else (o + 0.5) * step - 0.5
            if mode != "bicubic":
                place = max(place, 0)
            base = int(np.floor(place))
            kernel = _cubic if mode == "bicubic" else lambda x: max(0, 1 - abs(x))
            for i in range(base - 1, base + 3):
                weights[o, min(max(i, 0), size - 1)] += kernel(place - i)
    return weights


def interpolate(x, size, factor, mode, align_corners):
    dims = x.ndim - 2
    sizes = [size] * dims if np.ndim(size) == 0 else size
    factors = [factor] * dims if np.ndim(factor) == 0 else factor
    for i in range(dims):
        out = int(np.floor(x.shape[i + 2] * factors[i])) if size is None else sizes[i]
        weights = _resize_matrix(x.shape[i + 2], out, factors[i], mode, align_corners)
        x = np.moveaxis(np.tensordot(x, weights, (i + 2, 1)), -1, i + 2)
    return x


def attention(query, key, value, mask, is_causal, scale):
    scores = query @ np.swapaxes(key, -1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        mask = np.tril(np.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ value


def layer_norm(x, shape, weight, bias, eps):
    axes = tuple(range(x.ndim - (1 if np.isscalar(shape) else len(shape)), x.ndim))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    return y * (1 if weight is None else weight) + (0 if bias is None else bias)


def rms_norm(x, shape, weight, eps):
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    eps = np.finfo(x.dtype).eps if eps is None else eps
    return x / np.sqrt((x * x).mean(axes, keepdims=True) + eps) * (1 if weight is None else weight)


def _channels(x, values, absent):
    return absent if values is None else values.reshape([-1] + [1] * (x.ndim - 2))


def group_norm(x, groups, weight, bias, eps):
    rows = x.reshape(x.shape[0], groups, -1)
    y = ((rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + eps)).reshape(x.shape)
    return y * _channels(x, weight, 1) + _channels(x, bias, 0)


def batch_norm(x, mean, var, weight, bias, training, eps):
    axes = (0, *range(2, x.ndim))
    if training:
        mean, var = x.mean(axes), x.var(axes)
    y = (x - _channels(x, mean, 0)) / np.sqrt(_channels(x, var, 1) + eps)
    return y * _channels(x, weight, 1) + _channels(x, bias, 0)


def _each(value, count):
    return (value,) * count if np.isscalar(value) else tuple(value) * (count if len(value) == 1 else 1)


def conv(x, weight, bias, stride, padding, dilation, groups):
    n = weight.ndim - 2
    if x.ndim == n + 1:
        return conv(x[None], weight, bias, stride, padding, dilation, groups)[0]
    stride, padding, dilation = (_each(v, n) for v in (stride, padding, dilation))
    padded = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    sizes = [
        (s - d * (k - 1) - 1) // t + 1
        for s, k, d, t in zip(padded.shape[2:], weight.shape[2:], dilation, stride)
    ]
    result = np.zeros((x.shape[0], weight.shape[0], *sizes), np.result_type(x, weight))
    inputs, outputs = weight.shape[1], weight.shape[0] // groups
    for g in range(groups):
        part, kernel = padded[:, g * inputs : (g + 1) * inputs], weight[g * outputs : (g + 1) * outputs]
        for place in np.ndindex(*sizes):
            window = tuple(
                slice(i * t, i * t + d * (k - 1) + 1, d)
                for i, t, d, k in zip(place, stride, dilation, weight.shape[2:])
            )
            patch = part[(slice(None), slice(None), *window)].reshape(x.shape[0], inputs * kernel[0, 0].size)
            result[(slice(None), slice(g * outputs, (g + 1) * outputs), *place)] = (
                patch @ kernel.reshape(outputs, -1).T
            )
    return result if bias is None else result + _channels(result, bias, 0)


def conv_same(x, weight):
    widths = [((k - 1) // 2, k - 1 - (k - 1) // 2) for k in weight.shape[2:]]
    return conv(np.pad(x, [(0, 0), (0, 0)] + widths), weight, None, 1, 0, 1, 1)


def conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation):
    n = weight.ndim - 2
    stride, padding, extra, dilation = (_each(v, n) for v in (stride, padding, output_padding, dilation))
    kernel, inputs, outputs = weight.shape[2:], weight.shape[0] // groups, weight.shape[1]
    full = [
        (s - 1) * t + d * (k - 1) + 1 + e
        for s, t, d, k, e in zip(x.shape[2:], stride, dilation, kernel, extra)
    ]
    result = np.zeros((x.shape[0], groups * outputs, *full), np.result_type(x, weight))
    for g, place, tap in itertools.product(range(groups), np.ndindex(*x.shape[2:]), np.ndindex(*kernel)):
        target = tuple(i * t + k * d for i, t, k, d in zip(place, stride, tap, dilation))
        values = x[(slice(None), slice(g * inputs, (g + 1) * inputs), *place)]
        taps = weight[(slice(g * inputs, (g + 1) * inputs), slice(None), *tap)]
        result[(slice(None), slice(g * outputs, (g + 1) * outputs), *target)] += values @ taps
    result = result[(..., *(slice(p, s - p) for p, s in zip(padding, full)))]
    return result if bias is None else result + _channels(result, bias, 0)


def _pool_size(size, kernel, stride, padding, dilation, ceil_mode):
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-span // stride) if ceil_mode else span // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def _pool(x, kernel, stride, padding, dilation, ceil_mode, reduce):
    n = (
        x.ndim - 1
        if np.isscalar(kernel) and x.ndim == 3
        else len(kernel)
        if not np.isscalar(kernel)
        else x.ndim - 2
    )
    kernel = _each(kernel, n)
    stride = kernel if stride is None else _each(stride, n)
    padding, dilation = _each(padding, n), _each(dilation, n)
    lead = x.ndim - n
    sizes = [
        _pool_size(*values, ceil_mode) for values in zip(x.shape[lead:], kernel, stride, padding, dilation)
    ]
    result = np.empty((*x.shape[:lead], *sizes), x.dtype)
    for place in np.ndindex(*sizes):
        taps, counted = [], 1
        for i, s, k, t, p, d in zip(place, x.shape[lead:], kernel, stride, padding, dilation):
            spots = i * t - p + d * np.arange(k)
            taps.append(spots[(spots >= 0) & (spots < s)])
            counted *= int((spots < s + p).sum())
        window = x[(Ellipsis, *np.ix_(*taps))]
        result[(Ellipsis, *place)] = reduce(window, tuple(range(lead, x.ndim)), counted)
    return result


def max_pool(x, kernel, stride, padding, dilation, ceil_mode):
    return _pool(
        x, kernel, stride, padding, dilation, ceil_mode, lambda window, axes, counted: window.max(axes)
    )


def avg_pool(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor=None):
    def mean(window, axes, counted):
        if divisor is None and not count_include_pad:
            counted = np.prod([window.shape[axis] for axis in axes])
        quotient = window.sum(axes) / (divisor or counted)
        return np.trunc(quotient) if np.issubdtype(x.dtype, np.integer) else quotient

    return _pool(x, kernel, stride, padding, 1, ceil_mode, mean)


def adaptive_pool(x, output_size, reduce):
    n = x.ndim - 2 if np.isscalar(output_size) else len(output_size)
    sizes, lead = _each(output_size, n), x.ndim - n
    result = np.empty((*x.shape[:lead], *sizes), x.dtype)
    for place in np.ndindex(*sizes):
        window = tuple(
            slice(i * s // o, -(-(i + 1) * s // o)) for i, s, o in zip(place, x.shape[lead:], sizes)
        )
        result[(Ellipsis, *place)] = reduce(x[(Ellipsis, *window)], axis=tuple(range(lead, x.ndim)))
    return result


def _reduced(losses, weights, reduction):
    if reduction == "none":
        return losses
    return losses.sum() / (weights if reduction == "mean" else 1)


def nll_loss(x, target, weight, ignore_index, reduction):
    if x.ndim == 1:
        return nll_loss(x[None], target[None], weight, ignore_index, reduction)[
            0 if reduction == "none" else ()
        ]
    weight = np.ones(x.shape[1], x.dtype) if weight is None else weight
    kept = target != ignore_index
    safe = np.where(kept, target, 0)
    scale = weight[safe] * kept
    picked = np.take_along_axis(x, safe[:, None], 1)[:, 0]
    return _reduced(-scale * picked, scale.sum(), reduction)


def cross_entropy(x, target, weight, ignore_index, reduction, label_smoothing):
    if x.ndim == 1:
        return cross_entropy(x[None], target[None], weight, ignore_index, reduction, label_smoothing)
    logs = scipy.special.log_softmax(x, axis=1)
    classes = x.shape[1]
    scale = _channels(x, weight, np.ones(()))
    if target.dtype.kind == "f":
        target = target * (1 - label_smoothing) + label_smoothing / classes
        return _reduced(-(scale * target * logs).sum(1), x.size / classes, reduction)
    plain = nll_loss(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return plain
    kept = target != ignore_index
    total = kept.sum() if weight is None else (weight[np.where(kept, target, 0)] * kept).sum()
    smooth = _reduced(-(scale * logs).sum(1) * kept, total, reduction)
    return (1 - label_smoothing) * plain + label_smoothing / classes * smooth


def scatter_reduce(x, dim, index, src, reduce, include_self):
    if x.ndim == 0:
        return scatter_reduce(x[None], 0, index, src, reduce, include_self)[0]
    met = [[[], value] for value in x.ravel()]
    places = np.arange(x.size).reshape(x.shape)[_along(index, dim)]
    for place, value in zip(places.ravel(), src[tuple(map(slice, index.shape))].ravel()):
        met[place][0].append(value)
    join = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[reduce]
    values = [join(new + [old] * include_self) if new else old for new, old in met]
    return np.array(values, x.dtype).reshape(x.shape)


def index_reduce(x, dim, index, source, reduce, include_self):
    shape = [1] * x.ndim
    shape[dim] = index.size
    return scatter_reduce(
        x, dim, np.broadcast_to(index.reshape(shape), source.shape), source, reduce, include_self
    )


def masked_scatter(x, mask, source):
    x, mask = (a.copy() for a in np.broadcast_arrays(x, mask))
    x[mask] = source.ravel()[: mask.sum()]
    return x


def put(x, index, source, accumulate):
    flat = x.ravel().copy()
    for place, value in zip(index.ravel(), source.ravel()):
        flat[place] = flat[place] + value if accumulate else value
    return flat.reshape(x.shape)


def nonzero_static(x, size, fill_value):
    found = np.argwhere(x)[:size]
    return np.concatenate([found, np.full((size - len(found), x.ndim), fill_value)])


def block_diag(tensors):
    import scipy.linalg

    return scipy.linalg.block_diag(*[np.atleast_2d(t) for t in tensors])


def cartesian_prod(tensors):
    if len(tensors) == 1:
        return tensors[0]
    return np.array(list(itertools.product(*tensors)))


def combinations(x, r, with_replacement):
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(choose(x, r)), x.dtype).reshape(-1, r)


def _replaced(x, src, place):
    result = x.copy()
    result[place] = src
    return result


def select_scatter(x, src, dim, index):
    return _replaced(x, src, _slices(x, dim, index))


def slice_scatter(x, src, dim, start, end, step):
    return _replaced(x, src, _slices(x, dim, slice(start, end, step)))


def diagonal_scatter(x, src, offset, dim1, dim2):
    result = np.moveaxis(x.copy(), (dim1, dim2), (-2, -1))
    for k in range(src.shape[-1]):
        result[..., k - min(offset, 0), k + max(offset, 0)] = src[..., k]
    return np.moveaxis(result, (-2, -1), (dim1, dim2))


def as_strided_scatter(x, src, size, stride, storage_offset):
    flat = x.ravel().copy()
    for place in np.ndindex(*size):
        flat[(storage_offset or 0) + sum(i * s for i, s in zip(place, stride))] = src[place]
    return flat.reshape(x.shape)


def mode(x, dim, keepdim):
    if x.ndim == 0:
        return x, np.int64(0)
    rows = np.moveaxis(x, dim, -1)
    values, places = np.empty(rows.shape[:-1], x.dtype), np.empty(rows.shape[:-1], np.int64)
    for place in np.ndindex(*rows.shape[:-1]):
        found, counts = np.unique(rows[place], return_counts=True)
        values[place] = found[np.argmax(counts)]
        places[place] = np.flatnonzero(rows[place] == values[place])[-1]
    return tuple(np.expand_dims(a, dim) if keepdim else a for a in (values, places))


def histogramdd(x, bins, density):
    hist, edges = np.histogramdd(x, bins, density=density)
    return (hist, *edges)


def renorm(x, p, dim, maxnorm):
    axes = tuple(d for d in range(x.ndim) if d != dim % x.ndim)
    size = np.sum(np.abs(x) ** p, axis=axes, keepdims=True) ** (1 / p)
    return np.where(size > maxnorm, x * maxnorm / (size + 1e-7), x)


def gammainc(a, x):
    return np.where((a == 0) & (x > 0), 1, scipy.special.gammainc(a, x))


def chebyshev_v(x, n):
    return scipy.special.eval_chebyu(n, x) - scipy.special.eval_chebyu(n - 1, x)


def chebyshev_w(x, n):
    return scipy.special.eval_chebyu(n, x) + scipy.special.eval_chebyu(n - 1, x)


def trapezoid(y, x, dx, dim):
    import scipy.integrate

    return scipy.integrate.trapezoid(y, x, dx, axis=dim)


def cumulative_trapezoid(y, x, dx, dim):
    import scipy.integrate

    return scipy.integrate.cumulative_trapezoid(y, x, dx, axis=dim)


def diff(x, n, dim, prepend, append):
    ends = {key: value for key, value in (("prepend", prepend), ("append", append)) if value is not None}
    return np.diff(x, n, axis=dim, **ends)


def gradient(x, spacing, dim, edge_order):
    dims = range(x.ndim) if dim is None else [dim] if np.isscalar(dim) else dim
    if spacing is None or np.isscalar(spacing):
        spacing = [1 if spacing is None else spacing] * len(dims)
    return [np.gradient(x, space, axis=d, edge_order=edge_order) for space, d in zip(spacing, dims)]


def solve_triangular(A, B, upper, left, unitriangular):
    A = np.triu(A) if upper else np.tril(A)
    if unitriangular:
        A = A - A * np.eye(A.shape[-1]) + np.eye(A.shape[-1])
    return (
        np.linalg.solve(A, B)
        if left
        else np.swapaxes(np.linalg.solve(np.swapaxes(A, -1, -2), np.swapaxes(B, -1, -2)), -1, -2)
    )


def lu_factor(A):
    m, n = A.shape
    permutation, lower, upper = sp.linalg.lu(A)
    packed = np.zeros((m, n))
    packed[:, : min(m, n)] += np.tril(lower, -1)
    packed[: min(m, n)] += upper
    order, pivots = list(range(m)), []
    wanted = permutation.argmax(0)
    for i in range(min(m, n)):
        other = order.index(wanted[i])
        order[i], order[other] = order[other], order[i]
        pivots.append(other + 1)
    return packed, np.array(pivots)


def ldl_factor(A, hermitian=False):
    """LAPACK's lower factorization of each matrix: factors, pivots, info."""
    n = A.shape[-1]
    prefix = "z" if np.iscomplexobj(A) else "d"
    factor = getattr(sp.linalg.lapack, prefix + ("hetrf" if hermitian and prefix == "z" else "sytrf"))
    factors, pivots, info = (
        np.zeros_like(A),
        np.zeros(A.shape[:-1], np.int32),
        np.zeros(A.shape[:-2], np.int32),
    )
    for place in np.ndindex(A.shape[:-2]) if n else ():
        packed, pivots[place], info[place] = factor(A[place], lower=1)
        factors[place] = np.tril(packed)
    return factors, pivots, info


def qr(A, mode):
    q, r = np.linalg.qr(A, mode)
    return q, r


def geqrf(x):
    (packed, tau), _ = sp.linalg.qr(x, mode="raw")
    return packed, tau


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_layer(gates, h, c, weight):
    hidden, cells = [], []
    for step in gates:
        i, f, g, o = np.split(step + h @ weight.T, 4, axis=-1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        hidden.append(h)
        cells.append(c)
    return np.stack(hidden), np.stack(cells)


def gru_layer(gates, h, weight, bias):
    hidden = []
    for step in gates:
        products = h @ weight.T + (0 if bias is None else bias)
        (xr, xz, xn), (hr, hz, hn) = np.split(step, 3, axis=-1), np.split(products, 3, axis=-1)
        update = _sigmoid(xz + hz)
        h = (1 - update) * np.tanh(xn + _sigmoid(xr + hr) * hn) + update * h
        hidden.append(h)
    return np.stack(hidden)


def _recurrent_step(kind, x, states, w_ih, w_hh, b_ih, b_hh, w_hr):
    p, q = x @ w_ih.T + b_ih, states[0] @ w_hh.T + b_hh
    if kind == "lstm":
        i, f, g, o = np.split(p + q, 4)
        c = _sigmoid(f) * states[1] + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        return [h if w_hr is None else w_hr @ h, c]
    if kind == "gru":
        (xr, xz, xn), (hr, hz, hn) = np.split(p, 3), np.split(q, 3)
        update = _sigmoid(xz + hz)
        return [(1 - update) * np.tanh(xn + _sigmoid(xr + hr) * hn) + update * states[0]]
    return [np.tanh(p + q) if kind == "rnn_tanh" else np.maximum(p + q, 0)]


def recurrent(kind, input, states, weights, layers, bidirectional, batch_sizes):
    """Sequence by sequence, each of its own length."""
    steps = len(input) if batch_sizes is None else len(batch_sizes)
    counts = [input.shape[1]] * steps if batch_sizes is None else batch_sizes
    flat, starts = input.reshape(-1, input.shape[-1]), np.cumsum([0, *counts])
    ways, parts = 1 + bidirectional, len(weights) // (layers * (1 + bidirectional))
    last = [np.array(state) for state in states]
    for layer in range(layers):
        outputs = np.zeros((len(flat), ways * states[0].shape[-1]))
        for way in range(ways):
            place = layer * ways + way
            w = list(weights[place * parts : (place + 1) * parts])
            w = [*w[:2], *(w[2:4] if parts >= 4 else (0, 0)), w[-1] if parts % 2 else None]
            for n in range(counts[0]):
                rows = [starts[t] + n for t in range(steps) if n < counts[t]]
                state = [s[place, n] for s in states]
                for row in rows[::-1] if way else rows:
                    state = _recurrent_step(kind, flat[row], state, *w)
                    outputs[row].reshape(ways, -1)[way] = state[0]
                for all_last, one in zip(last, state):
                    all_last[place, n] = one
        flat = outputs
    return [flat.reshape(*input.shape[:-1], -1), *last]


def scatter_combined(input, index, source, reduce):
    result = input.copy()
    for place, value in zip(index, np.broadcast_to(source, index.shape)):
        result[place] = result[place] + value if reduce == "add" else result[place] * value
    return result
