"""nn.functional's fractional max pooling: Graham 2014, arXiv:1412.6071."""

import math

from .. import _C

_ops = _C._homes["taper"]


def _starts(samples, size, out, kernel):
    """Where the windows start along one dimension: [N, C, out] from samples [N, C] in [0, 1)."""
    last = _ops["full"]((*samples.shape, 1), size - kernel, dtype=_C.int64, device=samples.device)
    if out <= 1:
        return last[..., :out]
    alpha = (size - kernel) / (out - 1)
    steps = _ops["arange"](out - 1, dtype=samples.dtype, device=samples.device) + samples.unsqueeze(-1)
    places = (steps * alpha).to(_C.int64) - (samples.unsqueeze(-1) * alpha).to(_C.int64)
    return _ops["cat"]([places, last], -1)


def _spread(places, i, dims):
    """[N, C, out, k] with out at dimension i of the outputs and k at dimension i of the windows."""
    shape = [1] * (2 * dims)
    shape[i], shape[dims + i] = places.shape[2:]
    return places.reshape(*places.shape[:2], *shape)


def _each(value, dims, name, what):
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(values) != dims:
        raise _C.ValueError(f"{name}: {what} must be one number or {dims}, got {value}")
    return values


def _output_sizes(name, dims, sizes, output_size, output_ratio):
    if (output_size is None) == (output_ratio is None):
        raise _C.ValueError(f"{name}: requires specifying either an output_size or an output_ratio")
    if output_size is not None:
        return _each(output_size, dims, name, "output_size")
    ratios = _each(output_ratio, dims, name, "output_ratio")
    if not all(0 < ratio < 1 for ratio in ratios):
        raise _C.ValueError(f"{name}: output_ratio must be between 0 and 1, got {output_ratio}")
    return tuple(int(size * ratio) for size, ratio in zip(sizes, ratios))


def _windows(name, dims, input, kernel, out, samples):
    """Places in the plane of the elements of each window: [N, C, outputs..., elements]."""
    sizes = input.shape[-dims:]
    for i in range(dims):
        if not kernel[i] > 0 or out[i] < 0 or out[i] + kernel[i] - 1 > sizes[i]:
            raise _C.ShapeError(
                f"{name}: output {out[i]} with kernel {kernel[i]} is too large for size {sizes[i]} of input "
                f"{list(input.shape)}"
            )
    index = 0
    for i in range(dims):
        # PyTorch's samples are (width, height) of planes, but (depth, height, width) of volumes.
        sample = samples[..., dims - 1 - i if dims == 2 else i]
        places = _starts(sample, sizes[i], out[i], kernel[i]).unsqueeze(-1) + _ops["arange"](
            kernel[i], device=sample.device
        )
        index = index * sizes[i] + _spread(places, i, dims)
    return index.flatten(-dims)


def _fractional(name, dims, input, kernel_size, output_size, output_ratio, samples):
    if input.ndim not in (dims + 1, dims + 2):
        raise _C.ShapeError(f"{name}: expected {dims + 1} or {dims + 2} dimensions, got {list(input.shape)}")
    if not input.is_floating_point():
        raise _C.DTypeError(f"{name}: needs a floating dtype, got {input.dtype}")
    if input.ndim == dims + 1:
        values, places = _fractional(
            name, dims, input.unsqueeze(0), kernel_size, output_size, output_ratio, samples
        )
        return values.squeeze(0), places.squeeze(0)
    if 0 in input.shape[1:]:
        raise _C.ShapeError(f"{name}: only the batch may be empty, got {list(input.shape)}")
    kernel = _each(kernel_size, dims, name, "kernel_size")
    out = _output_sizes(name, dims, input.shape[-dims:], output_size, output_ratio)
    if samples is None:
        samples = _ops["rand"](*input.shape[:2], dims, dtype=input.dtype, device=input.device)
    if samples.ndim != 3 or samples.size(0) < input.size(0) or samples.shape[1:] != (input.size(1), dims):
        raise _C.ShapeError(
            f"{name}: _random_samples must be {[*input.shape[:2], dims]}, got {list(samples.shape)}"
        )
    samples = samples[: input.size(0)].to(input.dtype)  # as PyTorch, which takes more than it needs
    index = _windows(name, dims, input, kernel, out, samples)
    lead, count = input.shape[:2], math.prod(kernel)
    seen = input.flatten(2).gather(2, index.flatten(2)).reshape(*lead, *out, count)
    values, places = seen.max(-1)
    return values, index.gather(-1, places.unsqueeze(-1)).squeeze(-1)


def fractional_max_pool2d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """fractional_max_pool2d and the places of the maxima in their planes."""
    return _fractional(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, _random_samples
    )


def fractional_max_pool2d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Largest elements of windows [N, C, H, W] whose distances are random, so that output_size comes out (or
    output_ratio of the input's size). _random_samples [N, C, 2] in [0, 1) replaces the random numbers."""
    result = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return result if return_indices else result[0]


def fractional_max_pool3d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """fractional_max_pool3d and the places of the maxima in their volumes."""
    return _fractional(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, _random_samples
    )


def fractional_max_pool3d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """As fractional_max_pool2d, of [N, C, D, H, W]; _random_samples is [N, C, 3]."""
    result = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return result if return_indices else result[0]
