"""Operations on DTensors that each rank does on its part: how operands must lie, and how the result does.

Each dimension of the mesh is decided by itself. What every rank has may be cut without communication; where
it meets divided operands whole, its gradient is a sum over the ranks (Shoeybi et al. 2019, arXiv:1909.08053,
f). A result that is a sum over the ranks is Partial.
"""

import math
from dataclasses import dataclass

import taper
from taper.func._batched import _ELEMENTWISE

from .placement_types import Partial, Replicate, Shard


@dataclass
class Way:
    """How to do one operation: arguments of the parts' function, by operand the placements that it needs, and
    the result's shape (None for a size that is that of the part) and placements."""

    arguments: tuple
    targets: list
    shape: tuple
    placements: list
    function: object = None


def _plan(operands, arguments, shape, decide, function=None):
    """A Way where decide(placements of the operands along one dimension) gives (targets, placement of the
    result) for all dimensions of the mesh; else None."""
    targets, placements = [[] for _ in operands], []
    for along in zip(*(x.placements for x in operands)):
        if any(isinstance(p, Partial) for p in along):
            return None
        if all(isinstance(p, Replicate) for p in along):
            decided = along, Replicate()
        elif (decided := decide(*along)) is None:
            return None
        for target, placement in zip(targets, decided[0]):
            target.append(placement)
        placements.append(decided[1])
    return Way(arguments, targets, tuple(shape), placements, function)


def _elementwise(args, kwargs, operands):
    shape = taper.broadcast_shapes(*(tuple(x.shape) for x in operands))
    missing = [len(shape) - x.ndim for x in operands]

    def decide(*along):
        if all(p == along[0] for p in along) and all(x.shape == operands[0].shape for x in operands):
            return along, along[0]
        dims = {p.dim + gap for p, gap in zip(along, missing) if isinstance(p, Shard)}
        if len(dims) > 1:
            return None
        dim, targets = dims.pop(), []
        for x, gap, placement in zip(operands, missing, along):
            spread = dim < gap or x.shape[dim - gap] != shape[dim]
            if spread and not isinstance(placement, Replicate):
                return None
            targets.append(Replicate() if spread else Shard(dim - gap))
        return targets, Shard(dim)

    return _plan(operands, (args, kwargs), shape, decide)


def _product(a, b, rows, columns):
    """decide() for a [.., m, k] times b [.., k, n], whose dimensions k and n are rows and columns. b may have
    two dimensions, or as many as a."""
    inner, outer = a.ndim - 1, a.ndim - 1

    def decide(along_a, along_b):
        along_a = along_a.dim if isinstance(along_a, Shard) else None
        along_b = along_b.dim if isinstance(along_b, Shard) else None
        if along_a in (inner, None) and along_b in (rows, None):  # one of them is divided
            return (Shard(inner), Shard(rows)), Partial()
        if along_a is None and along_b == columns:
            return (Replicate(), Shard(columns)), Shard(outer)
        if along_b is None and along_a is not None and (b.ndim == 2 or along_a == a.ndim - 2):
            return (Shard(along_a), Replicate()), Shard(along_a)
        if b.ndim > 2 and along_a is not None and along_a == along_b and along_a < a.ndim - 2:
            return (Shard(along_a), Shard(along_a)), Shard(along_a)
        return None

    return decide


def _matmul(args, kwargs, operands):
    if len(operands) != 2 or len(args) != 2:
        return None
    a, b = operands
    if (
        a.ndim < 2
        or b.ndim < 2
        or (b.ndim > 2 and a.shape[:-2] != b.shape[:-2])
        or a.shape[-1] != b.shape[-2]
    ):
        return None
    shape = (*a.shape[:-1], b.shape[-1])
    return _plan(operands, (args, kwargs), shape, _product(a, b, b.ndim - 2, b.ndim - 1))


def _linear(args, kwargs, operands):
    x, weight = args[:2]
    if kwargs or x.ndim < 2 or len(args) > 2 or x.shape[-1] != weight.shape[1]:
        return None
    return _plan(operands, (args, kwargs), (*x.shape[:-1], weight.shape[0]), _product(x, weight, 1, 0))


def _dims(value, ndim):
    dims = range(ndim) if value is None else [value] if isinstance(value, int) else value
    return {dim % ndim for dim in dims}


def _along(name):
    """Of operations along dimensions that they remove, or keep as they are."""

    def rule(args, kwargs, operands):
        x = operands[0]
        if len(operands) != 1 or args[0] is not x or x.ndim == 0:
            return None
        given = args[1] if len(args) > 1 else kwargs.get("dim")
        keeps = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
        if len(args) > 3 or not (given is None or isinstance(given, (int, tuple, list))):
            return None
        stays = name in _STAYING
        if stays and not isinstance(given, int):
            return None
        reduced = _dims(given, x.ndim)
        shape = [n if stays or d not in reduced else 1 for d, n in enumerate(x.shape)]
        places = {dim: dim for dim in range(x.ndim)}
        if not stays and not keeps:
            left = [dim for dim in range(x.ndim) if dim not in reduced]
            shape, places = [x.shape[dim] for dim in left], {dim: place for place, dim in enumerate(left)}

        def decide(placement):
            if placement.dim not in reduced:
                return (placement,), Shard(places[placement.dim])
            return ((placement,), Partial()) if name in ("sum", "mean") else None

        count = math.prod(x.shape[dim] for dim in reduced)
        function = None
        if name == "mean":  # parts may differ in size

            def function(part, dim=None, keepdim=False, dtype=None):
                return part.sum(sorted(reduced), keepdim, dtype=dtype) / count

        return _plan(operands, (args, kwargs), shape, decide, function)

    return rule


_STAYING = ("softmax", "log_softmax", "cumsum", "cumprod")
_REDUCING = ("sum", "mean", "amax", "amin", "prod", "logsumexp", "argmax", "argmin", "all", "any")


def _ordered(order):
    """Of operations that give the dimensions another order; order(args, kwargs, ndim): the old ones."""

    def rule(args, kwargs, operands):
        x = operands[0]
        dims = [dim % x.ndim for dim in order(args[1:], kwargs, x.ndim)]
        shape = [x.shape[dim] for dim in dims]
        return _plan(operands, (args, kwargs), shape, lambda p: ((p,), Shard(dims.index(p.dim))))

    return rule


def _swapped(args, kwargs, ndim):
    first, second = (*args, *kwargs.values())
    dims = list(range(ndim))
    dims[first], dims[second] = dims[second], dims[first]
    return dims


def _permuted(args, kwargs, ndim):
    dims = (*args, *kwargs.values())
    return dims[0] if isinstance(dims[0], (tuple, list)) else dims


def _unsqueeze(args, kwargs, operands):
    x = operands[0]
    (dim,) = (*args[1:], *kwargs.values())
    dim %= x.ndim + 1
    shape = (*x.shape[:dim], 1, *x.shape[dim:])
    return _plan(operands, (args, kwargs), shape, lambda p: ((p,), Shard(p.dim + (p.dim >= dim))))


def _view(args, kwargs, operands):
    x, given = operands[0], args[1:]
    if kwargs or not given or len(operands) != 1:
        return None
    shape = list(given[0] if isinstance(given[0], (tuple, list)) else given)
    if not all(isinstance(n, int) for n in shape) or x.numel() == 0 or x.device_mesh.ndim > 1:
        return None
    if -1 in shape:
        shape[shape.index(-1)] = x.numel() // -math.prod(shape)
    local = list(shape)

    def decide(placement):
        before = math.prod(x.shape[: placement.dim])
        place = next((i for i in range(len(shape)) if math.prod(shape[:i]) == before and shape[i] > 1), None)
        if place is None:
            return None
        size, ways = x.shape[placement.dim], x.device_mesh.size()
        if shape[place] == size:
            local[place] = x._local_shape[placement.dim]
        elif size % ways or shape[place] % ways or math.gcd(size, shape[place]) not in (size, shape[place]):
            return None
        else:
            local[place] = shape[place] // ways
        return (placement,), Shard(place)

    # Of the parts the view has another shape.
    return _plan(operands, ((x, local), {}), shape, decide)


def _rows(operands, shape, arguments, dims):
    """A Way where the first operand may be divided along dims, which the result has likewise, while all ranks
    need the others whole."""

    def decide(first, *others):
        if not isinstance(first, Shard) or first.dim not in dims:
            return None
        return (first, *(Replicate() for _ in others)), first

    return _plan(operands, arguments, shape, decide)


def _norm(args, kwargs, operands):
    x = operands[0]
    if len(args) < 2 or args[0] is not x:
        return None
    kept = 1 if isinstance(args[1], int) else len(args[1])
    return _rows(operands, x.shape, (args, kwargs), range(x.ndim - kept))


def _convolution(args, kwargs, operands):
    x = operands[0]
    if len(operands) < 2 or not args or args[0] is not x or x.ndim != operands[1].ndim:
        return None
    return _rows(operands, (x.shape[0], *[None] * (x.ndim - 1)), (args, kwargs), (0,))


def _embedding(args, kwargs, operands):
    names = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
    given = {**dict(zip(names, args[2:])), **kwargs}
    if len(operands) != 2 or len(args) < 2 or args[0] is not operands[0]:
        return None
    # They concern the whole table, or all indices.
    if given.get("max_norm") is not None or given.get("scale_grad_by_freq") or given.get("sparse"):
        return None
    index, table = operands

    def decide(along_index, along_table):
        if isinstance(along_index, Shard):
            return (along_index, Replicate()), along_index
        return ((Replicate(), Shard(1)), Shard(index.ndim)) if along_table.dim == 1 else None

    return _plan(operands, (args, kwargs), (*index.shape, table.shape[1]), decide)


def _indexed(args, kwargs, operands):
    """Of integers and slices; what is divided stays as it is."""
    x, given = args
    given = given if isinstance(given, tuple) else (given,)
    if len(operands) != 1 or len(given) > x.ndim or not all(type(i) in (int, slice) for i in given):
        return None
    given += (slice(None),) * (x.ndim - len(given))
    left = [dim for dim, index in enumerate(given) if isinstance(index, slice)]
    shape = [len(range(*given[dim].indices(x.shape[dim]))) for dim in left]

    def decide(placement):
        untouched = given[placement.dim] == slice(None)
        return ((placement,), Shard(left.index(placement.dim))) if untouched else None

    return _plan(operands, (args, kwargs), shape, decide)


def _single(args, kwargs, operands):
    return _plan(operands, (args, kwargs), operands[0].shape, lambda placement: ((placement,), placement))


_RULES = {
    **dict.fromkeys(
        (*_ELEMENTWISE, *("__iadd__", "__isub__", "__imul__", "__itruediv__", "copy_")), _elementwise
    ),
    **dict.fromkeys(
        (
            *("clone", "contiguous", "requires_grad_", "to", "float", "double"),
            *("zeros_like", "ones_like", "empty_like", "full_like", "zero_", "fill_"),
        ),
        _single,
    ),
    **dict.fromkeys(("matmul", "__matmul__", "mm", "bmm"), _matmul),
    "linear": _linear,
    **{name: _along(name) for name in (*_STAYING, *_REDUCING)},
    **dict.fromkeys(("transpose", "swapaxes"), _ordered(_swapped)),
    "permute": _ordered(_permuted),
    "t": _ordered(lambda args, kwargs, ndim: range(ndim)[::-1]),
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("view", "reshape"), _view),
    **dict.fromkeys(("layer_norm", "rms_norm"), _norm),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    "embedding": _embedding,
    "__getitem__": _indexed,
}


def way_of(name, args, kwargs, operands):
    """The Way to do an operation part by part, or None."""
    in_place = name.endswith("_") and name[:-1] in _ELEMENTWISE
    rule = _elementwise if in_place else _RULES.get(name)
    return rule(args, kwargs, operands) if rule else None
