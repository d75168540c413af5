"""segment_reduce: one number for each run of neighbours along a dimension."""

import math

from . import _C

_functions = _C._homes["taper"]
# The reduction by which segments are computed, and what an empty one gives.
_REDUCTIONS = {
    "sum": ("sum", 0),
    "mean": ("sum", 0),
    "max": ("amax", -math.inf),
    "amax": ("amax", -math.inf),
    "min": ("amin", math.inf),
    "amin": ("amin", math.inf),
    "prod": ("prod", 1),
}


def segment_reduce(
    data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None
):
    """Sums, means, products or extremes of the segments that dimension `axis` of data is cut into.

    lengths: integers [..., segments], the sizes of the segments; in front of the last dimension it has data's
    sizes. offsets: [..., segments + 1], where they begin and end, instead. reduce: "sum", "mean", "max",
    "min" or "prod". initial is reduced with each segment; without it an empty one gives 0,
    NaN, the infinities and 1.
    Throws DTypeError where data is not floating, ShapeError where lengths do not fit axis and data, and
    ValueError for other reductions and, unless unsafe, for lengths that do not add up.
    """
    if not data.is_floating_point():
        raise _C.DTypeError(f"segment_reduce: data must be floating point, got {data.dtype}")
    if reduce not in _REDUCTIONS:
        raise _C.ValueError(f"segment_reduce: reduce must be sum, mean, max, min or prod, got {reduce!r}")
    if lengths is None:
        if offsets is None:
            raise _C.ValueError("segment_reduce: needs lengths or offsets")
        lengths = offsets.diff()
    axis = axis % data.ndim
    if lengths.ndim != axis + 1 or lengths.shape[:-1] != data.shape[:axis]:
        raise _C.ShapeError(
            f"segment_reduce: lengths of shape {tuple(lengths.shape)} do not cut dimension {axis} of data of "
            f"shape {tuple(data.shape)}"
        )
    if not unsafe and (bool((lengths < 0).any()) or bool((lengths.sum(-1) != data.shape[axis]).any())):
        raise _C.ValueError(
            "segment_reduce: lengths must not be negative and must add up to the "
            f"{data.shape[axis]} elements of dimension {axis}"
        )
    return _reduced(data, reduce, lengths, axis, initial)


def _reduced(data, reduce, lengths, axis, initial):
    operation, of_none = _REDUCTIONS[reduce]
    count = lengths.shape[-1]
    places = _functions["arange"](data.shape[axis], device=data.device)
    segments = _functions["searchsorted"](
        lengths.cumsum(-1), places.expand(*data.shape[:axis], -1).contiguous(), right=True
    )
    # Elements behind the last segment go to one more, which is left out.
    shape = [*data.shape[:axis], count + 1, *data.shape[axis + 1 :]]
    one_each = [1] * (data.ndim - axis - 1)
    result = data.new_full(shape, of_none if initial is None else initial).scatter_reduce(
        axis, segments.reshape(*segments.shape, *one_each).expand(data.shape), data, operation
    )
    result = result.narrow(axis, 0, count)
    if reduce != "mean":
        return result
    sizes = lengths.reshape(*lengths.shape, *one_each)
    means = result / sizes.clamp(min=1)
    return means.masked_fill(sizes == 0, math.nan) if initial is None else means
