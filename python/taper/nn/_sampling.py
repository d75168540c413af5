"""nn.functional's functions that read images at computed positions, and those that write pools back."""

import itertools
import math

from .. import _C

_ops = _C._homes["taper"]


def affine_grid(theta, size, align_corners=None):
    """Positions of grid_sample for affine maps theta [N, 2, 3] (or [N, 3, 4]) of images of this size."""
    spatial = list(size[2:])
    if (
        theta.ndim != 3
        or tuple(theta.shape[1:]) != (len(spatial), len(spatial) + 1)
        or len(spatial) not in (2, 3)
    ):
        raise _C.ShapeError(
            f"affine_grid: theta must be [N, 2, 3] for 4-d and [N, 3, 4] for 5-d sizes, got {list(theta.shape)} "
            f"for size {list(size)}"
        )
    axes = []
    for count in spatial:
        axis = (
            _ops["linspace"](-1, 1, count, dtype=theta.dtype, device=theta.device)
            if count > 1
            else theta.new_zeros(count)
        )
        axes.append(axis if align_corners else axis * ((count - 1) / count))
    grids = _ops["meshgrid"](axes, indexing="ij")
    points = _ops["stack"]([*reversed(grids), _ops["ones_like"](grids[0])], -1).reshape(-1, len(spatial) + 1)
    return (points @ theta.transpose(1, 2)).reshape(theta.shape[0], *spatial, len(spatial))


def _reflected(x, low, high):
    """x mirrored at low and high until it lies between them."""
    span = high - low
    if span <= 0:
        return _ops["zeros_like"](x)
    away = (x - low).abs()
    rest, turns = away.fmod(span), (away / span).floor()
    return _ops["where"](turns.fmod(2) == 0, rest + low, span - rest + low)


def _pixel(x, size, padding_mode, align_corners):
    """Positions in [-1, 1] as positions in pixels, brought inside as padding_mode says."""
    x = (x + 1) / 2 * (size - 1) if align_corners else ((x + 1) * size - 1) / 2
    return _inside(x, size, padding_mode, align_corners)


def _inside(x, size, padding_mode, align_corners):
    if padding_mode == "reflection":
        x = _reflected(x, 0, size - 1) if align_corners else _reflected(x, -0.5, size - 0.5)
    return x.clamp(0, size - 1) if padding_mode != "zeros" else x


def _read(flat, sizes, places):
    """Elements of flat [N, C, pixels] at integer places, a tensor per spatial dimension; zero outside."""
    index, seen = None, None
    for place, size in zip(places, sizes):
        inside = (place >= 0) & (place < size)
        seen = inside if seen is None else seen & inside
        bounded = place.clamp(0, size - 1).to(_C.int64)
        index = bounded if index is None else index * size + bounded
    shape = index.shape
    index = index.reshape(shape[0], 1, -1).expand(-1, flat.shape[1], -1)
    values = flat.gather(2, index).reshape(shape[0], flat.shape[1], *shape[1:])
    return values * seen.unsqueeze(1)


def _linear(flat, sizes, pixels):
    """Weighted by the distance in each dimension."""
    floors = [pixel.floor() for pixel in pixels]
    total = 0
    for corner in range(2 ** len(pixels)):
        weight, places = 1, []
        for i, (pixel, floor) in enumerate(zip(pixels, floors)):
            upper = corner >> i & 1
            weight = weight * ((pixel - floor) if upper else (floor + 1 - pixel))
            places.append(floor.detach() + upper)
        total = total + _read(flat, sizes, places) * weight.unsqueeze(1)
    return total


def _cubic_weights(t):
    """Keys 1981 with a = -0.75, of the four neighbours of a position t past the second."""
    a = -0.75
    near = [(((a + 2) * u - (a + 3)) * u * u + 1) for u in (t, 1 - t)]
    far = [((a * u - 5 * a) * u + 8 * a) * u - 4 * a for u in (t + 1, 2 - t)]
    return [far[0], near[0], near[1], far[1]]


def _cubic(flat, sizes, pixels, padding_mode, align_corners):
    floors = [pixel.floor().detach() for pixel in pixels]
    weights = [_cubic_weights(pixel - floor) for pixel, floor in zip(pixels, floors)]
    total = 0
    for corner in itertools.product(range(4), repeat=len(pixels)):
        places = [
            _inside(floor + (i - 1), size, padding_mode, align_corners)
            for i, floor, size in zip(corner, floors, sizes)
        ]
        weight = math.prod((weights[d][i] for d, i in enumerate(corner)), start=1)
        total = total + _read(flat, sizes, places) * weight.unsqueeze(1)
    return total


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Images [N, C, H, W] (or [N, C, D, H, W]) read at grid [N, H', W', 2] (or [N, D', H', W', 3]), whose last
    dimension holds x, y (, z) in [-1, 1]: Jaderberg et al. 2015, arXiv:1506.02025."""
    dims = input.ndim - 2
    if (
        dims not in (2, 3)
        or grid.ndim != input.ndim
        or grid.shape[-1] != dims
        or grid.shape[0] != input.shape[0]
    ):
        raise _C.ShapeError(
            f"grid_sample: input {list(input.shape)} and grid {list(grid.shape)} do not fit; expected [N, C, H, W] and "
            "[N, H', W', 2], or [N, C, D, H, W] and [N, D', H', W', 3]"
        )
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise _C.ValueError(f"grid_sample: mode must be bilinear, nearest or bicubic, got '{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise _C.ValueError(
            f"grid_sample: padding_mode must be zeros, border or reflection, got '{padding_mode}'"
        )
    sizes = list(input.shape[2:])
    if 0 in sizes:
        raise _C.ShapeError(
            f"grid_sample: expected an input with non-empty spatial dimensions, got {list(input.shape)}"
        )
    flat = input.flatten(2)
    coordinates = list(reversed(grid.unbind(-1)))
    keep = "zeros" if mode == "bicubic" else padding_mode
    pixels = [_pixel(x, size, keep, bool(align_corners)) for x, size in zip(coordinates, sizes)]
    if mode == "nearest":
        return _read(flat, sizes, [pixel.detach().round() for pixel in pixels])
    if mode == "bicubic":
        return _cubic(flat, sizes, pixels, padding_mode, bool(align_corners))
    return _linear(flat, sizes, pixels)


def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """grid_sample with its modes as numbers: 0 to 2 of bilinear, nearest, bicubic and of zeros, border, reflection."""
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    return grid_sample(input, grid, mode, ("zeros", "border", "reflection")[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def _tuple(value, dims):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims


def _max_unpool(name, dims, input, indices, kernel_size, stride, padding, output_size):
    if tuple(input.shape) != tuple(indices.shape) or input.ndim not in (dims + 1, dims + 2):
        raise _C.ShapeError(
            f"{name}: input {list(input.shape)} and indices {list(indices.shape)} must have one shape of {dims + 1} or "
            f"{dims + 2} dimensions"
        )
    kernel, padding = _tuple(kernel_size, dims), _tuple(padding, dims)
    stride = kernel if stride is None or stride == [] else _tuple(stride, dims)
    natural = [(input.shape[i - dims] - 1) * stride[i] - 2 * padding[i] + kernel[i] for i in range(dims)]
    sizes = natural if output_size is None else list(output_size)[-dims:]
    for size, expected, step in zip(sizes, natural, stride):
        if not expected - step < size < expected + step:
            raise _C.ValueError(
                f"{name}: invalid output_size {sizes}; each must be within a stride of {natural}"
            )
    total = 1
    for size in sizes:
        total *= size
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < total:
        wrong = int(indices.min()) if int(indices.min()) < 0 else int(indices.max())
        raise _C.IndexError(
            f"{name}: index {wrong} is out of range for an output of size {tuple(sizes)}, expected 0 to {total - 1}"
        )
    lead = input.shape[:-dims]
    flat = input.new_zeros(*lead, total).scatter(-1, indices.flatten(-dims), input.flatten(-dims))
    return flat.reshape(*lead, *sizes)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The maxima of max_pool1d at the places they came from, zeros elsewhere."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The maxima of max_pool2d at the places they came from, zeros elsewhere."""
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The maxima of max_pool3d at the places they came from, zeros elsewhere."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
