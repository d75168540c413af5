"""Operations on DTensors that each rank does on its part: how operands must lie, and how the result does.

Each dimension of the mesh is decided by itself. What every rank has may be cut without communication; where
it meets divided operands whole, its gradient is a sum over the ranks (Shoeybi et al. 2019, arXiv:1909.08053,
f). A result that is a sum over the ranks is Partial.
"""

import math
from dataclasses import dataclass

import taper
from taper.func._batched import _ELEMENTWISE
from taper.overrides import DisableTorchFunctionSubclass

from .by_dims import WORKING_ALONG
from .moves import Extreme, Share
from .placement_types import Partial, Replicate, Shard


@dataclass
class Way:
    """How to do one operation: arguments of the parts' function, by operand the placements that it needs, and
    the result's shape (None for a size that is that of the part; of several results a list of shapes) and
    placements."""

    arguments: tuple
    targets: list
    shape: tuple
    placements: list
    function: object = None


def _plan(operands, arguments, shape, decide, function=None, of_partial=None):
    """A Way, for each dimension of the mesh by itself: where all operands are Replicate so is the result,
    else decide(their placements along it) gives (targets, placement of the result), or None where the
    operands must be whole. Partial operands are reduced first, unless of_partial(their placements) gives
    the same for them."""
    targets, placements = [[] for _ in operands], []
    for along in zip(*(x.placements for x in operands)):
        decided = None
        if any(isinstance(p, Partial) for p in along):
            decided = of_partial(*along) if of_partial else None
            along = [Replicate() if isinstance(p, Partial) else p for p in along]
        whole = [Replicate()] * len(along), Replicate()
        if decided is None and not all(isinstance(p, Replicate) for p in along):
            decided = decide(*along)
        decided = decided or whole
        for target, placement in zip(targets, decided[0]):
            target.append(placement)
        placements.append(decided[1])
    return Way(arguments, targets, shape if isinstance(shape, list) else tuple(shape), placements, function)


def _stays(placement):
    """of_partial() of an operation on one operand that only moves elements."""
    return (placement,), placement


def _is_sum(placement):
    return isinstance(placement, Partial) and placement.reduce_op in ("sum", "avg")


def _linear_in(placement):
    """of_partial() of an operation that is linear in its one operand."""
    return ((placement,), placement) if _is_sum(placement) else None


_ADDING = {"add", "sub", "subtract", "__add__", "__sub__", "__radd__", "__rsub__", "__iadd__", "__isub__"}
_MULTIPLYING = {"mul", "multiply", "__mul__", "__rmul__", "__imul__"}
_DIVIDING = {"div", "divide", "true_divide", "__truediv__", "__itruediv__"}
_NEGATING = {"neg", "negative", "__neg__"}


def _elementwise_of_partial(name, args):
    """of_partial() of an elementwise operation, or None."""
    name = name[:-1] if name.endswith("_") and not name.startswith("__") else name

    def of_partial(*along):
        sums = [p for p in along if isinstance(p, Partial)]
        if not all(_is_sum(p) and p == sums[0] for p in sums):
            return None
        others = [p for p in along if not isinstance(p, Partial)]
        if name in _ADDING and len(along) > 1 and all(isinstance(p, Replicate) for p in others):
            return [sums[0]] * len(along), sums[0]
        scales = name in _MULTIPLYING or (name in _DIVIDING and along[0] in sums and _is_tensor(args[0]))
        if len(sums) == 1 and (
            name in _NEGATING or (scales and all(isinstance(p, Replicate) for p in others))
        ):
            return along, sums[0]
        return None

    return of_partial


def _is_tensor(value):
    return isinstance(value, taper.Tensor)


def _elementwise(name):
    def rule(args, kwargs, operands):
        shape = taper.broadcast_shapes(*(tuple(x.shape) for x in operands))
        missing = [len(shape) - x.ndim for x in operands]

        def spreads(x, gap, dim):
            return dim < gap or x.shape[dim - gap] != shape[dim]

        def decide(*along):
            # The dimension that moves least: of the largest operand that is divided.
            found = [
                (-x.numel(), p.dim + gap)
                for x, p, gap in zip(operands, along, missing)
                if isinstance(p, Shard) and not spreads(x, gap, p.dim + gap)
            ]
            if not found:
                return None
            dim = min(found)[1]
            targets = [
                Replicate() if spreads(x, gap, dim) else Shard(dim - gap) for x, gap in zip(operands, missing)
            ]
            return targets, Shard(dim)

        return _plan(operands, (args, kwargs), shape, decide, None, _elementwise_of_partial(name, args))

    return rule


def _product(a, b, rows, columns):
    """decide() for a [.., m, k] times b [.., k, n], whose dimensions k and n are rows and columns. b may have
    two dimensions, or as many as a."""
    inner, outer = a.ndim - 1, a.ndim - 1

    def decide(along_a, along_b):
        along_a = along_a.dim if isinstance(along_a, Shard) else None
        along_b = along_b.dim if isinstance(along_b, Shard) else None
        if along_a in (inner, None) and along_b in (rows, None):  # one of them is divided
            return (Shard(inner), Shard(rows)), Partial()
        for batch in (along_a, along_b):
            if b.ndim > 2 and batch is not None and batch < a.ndim - 2:
                return (Shard(batch), Shard(batch)), Shard(batch)
        if along_b == columns:
            return (Replicate(), Shard(columns)), Shard(outer)
        if along_a is not None and along_a != inner:
            return (Shard(along_a), Replicate()), Shard(along_a)
        return None

    return decide


def _product_of_partial(*along):
    """A sum times what is whole is a sum."""
    if sum(map(_is_sum, along)) == 1 and sum(isinstance(p, Replicate) for p in along) == 1:
        return along, next(p for p in along if isinstance(p, Partial))
    return None


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
    decide = _product(a, b, b.ndim - 2, b.ndim - 1)
    return _plan(operands, (args, kwargs), shape, decide, None, _product_of_partial)


def _linear(args, kwargs, operands):
    x, weight = args[:2]
    if kwargs or x.ndim < 2 or len(args) > 2 or x.shape[-1] != weight.shape[1]:
        return None
    shape, decide = (*x.shape[:-1], weight.shape[0]), _product(x, weight, 1, 0)
    return _plan(operands, (args, kwargs), shape, decide, None, _product_of_partial)


def _ways(x, dim):
    """Among how many ranks a dimension is divided."""
    return math.prod(n for n, p in zip(x.device_mesh.shape, x.placements) if p == Shard(dim))


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

        even = all(x.shape[dim] % _ways(x, dim) == 0 for dim in reduced)

        def decide(placement):
            if placement.dim not in reduced:
                return (placement,), Shard(places[placement.dim])
            if name in ("sum", "mean"):
                return (placement,), Partial("avg" if name == "mean" and even else "sum")
            if name in ("amax", "amin") and even and x.numel():  # no part is empty
                return (placement,), Partial(name[1:])
            return None

        count = math.prod(x.shape[dim] for dim in reduced)
        shares = math.prod(_ways(x, dim) for dim in reduced)
        function = None
        if name == "mean" and even and shares > 1:
            function = lambda part, *args, **kwargs: Share.apply(part.mean(*args, **kwargs), shares)
        elif name in ("amax", "amin") and even and x.numel() and shares > 1:
            groups = [
                x.device_mesh.get_group(dim)
                for dim, p in enumerate(x.placements)
                if isinstance(p, Shard) and p.dim in reduced
            ]
            extreme = getattr(taper, name)
            function = lambda part, *args, **kwargs: Extreme.apply(
                extreme(part, *(args or [kwargs.pop("dim", ())]), **kwargs), groups, name[1:]
            )
        elif name == "mean" and not even:

            def function(part, dim=None, keepdim=False, dtype=None):
                return part.sum(sorted(reduced), keepdim, dtype=dtype) / count

        of_partial = _linear_in if name == "sum" or (name == "mean" and even) else None
        return _plan(operands, (args, kwargs), shape, decide, function, of_partial)

    return rule


def _extreme(name):
    """max and min: of all elements, along a dimension, or elementwise."""

    def rule(args, kwargs, operands):
        if len(args) == 1 and not kwargs:
            return _along("a" + name)(args, kwargs, operands)
        return _elementwise(name)(args, kwargs, operands) if len(operands) == 2 else None

    return rule


_STAYING = ("softmax", "log_softmax", "cumsum", "cumprod")
_REDUCING = ("sum", "mean", "amax", "amin", "prod", "logsumexp", "argmax", "argmin", "all", "any")


def _ordered(order):
    """Of operations that give the dimensions another order; order(args, kwargs, ndim): the old ones."""

    def rule(args, kwargs, operands):
        x = operands[0]
        dims = [dim % x.ndim for dim in order(args[1:], kwargs, x.ndim)]
        shape = [x.shape[dim] for dim in dims]
        decide = lambda p: ((p,), Shard(dims.index(p.dim)))
        return _plan(operands, (args, kwargs), shape, decide, None, _stays)

    return rule


def _moved_dims(args, kwargs, ndim):
    source, destination = (
        [dims] if isinstance(dims, int) else list(dims) for dims in (*args, *kwargs.values())
    )
    moved = {to % ndim: dim % ndim for dim, to in zip(source, destination)}
    rest = iter(dim for dim in range(ndim) if dim not in moved.values())
    return [moved[place] if place in moved else next(rest) for place in range(ndim)]


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
    decide = lambda p: ((p,), Shard(p.dim + (p.dim >= dim)))
    return _plan(operands, (args, kwargs), shape, decide, None, _stays)


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
    return _plan(operands, ((x, local), {}), shape, decide, None, _stays)


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
    """Of integers, slices, None and ..., and one tensor of indices; what is divided stays as it is."""
    x, given = args
    given = list(given) if isinstance(given, tuple) else [given]
    tensors = [index for index in given if _is_tensor(index)]
    known = all(
        _is_tensor(index) or index is None or type(index) in (int, slice, type(...)) for index in given
    )
    if not known or len(tensors) > 1 or len(operands) != 1 + len(tensors):
        return None
    if tensors and (tensors[0].dtype == taper.bool or any(type(index) is int for index in given)):
        return None
    taken = sum(index is not None and index is not ... for index in given)
    place = next((i for i, index in enumerate(given) if index is ...), len(given))
    given[place : place + 1] = [slice(None)] * (x.ndim - taken)
    shape, places, dim = [], {}, 0
    for index in given:
        if index is None:
            shape.append(1)
            continue
        if isinstance(index, slice):
            if index == slice(None):
                places[dim] = len(shape)
            shape.append(len(range(*index.indices(x.shape[dim]))))
        elif _is_tensor(index):
            shape += index.shape
        dim += 1

    def decide(placement, *others):
        if not isinstance(placement, Shard) or placement.dim not in places:
            return None
        return (placement, *(Replicate() for _ in others)), Shard(places[placement.dim])

    return _plan(operands, (args, kwargs), shape, decide, None, None if tensors else _stays)


def _single(of_partial):
    def rule(args, kwargs, operands):
        decide = lambda *along: (along, along[0]) if len(along) == 1 else None
        floats = all(a.is_floating_point for a in (*args, *kwargs.values()) if isinstance(a, taper.dtype))
        return _plan(
            operands, (args, kwargs), operands[0].shape, decide, None, of_partial if floats else None
        )

    return rule


def _measured(func, args, kwargs):
    """The results of an operation on tensors without memory: their shapes; None where it raises."""
    from .dtensor import DTensor, _mapped

    try:
        with DisableTorchFunctionSubclass():
            shaped = lambda x: taper.empty(x.shape, dtype=x.dtype, device="meta")
            results = func(*_mapped(args, shaped), **_mapped(kwargs, shaped))
    except Exception:  # what it needs to know is in the elements, or it raises on the whole as well
        return None
    results = results if isinstance(results, (tuple, list)) else [results]
    return results if all(_is_tensor(x) and not isinstance(x, DTensor) for x in results) else None


def _shape_of(results):
    shapes = [tuple(x.shape) for x in results]
    return shapes if len(shapes) > 1 else shapes[0]


def _apart(func, args, kwargs, operands):
    """Of operations that work along some dimensions of the first operand (by_dims.py). They may keep those,
    or remove them."""
    x = operands[0]
    dims = WORKING_ALONG[func.__name__](*args, **kwargs) if args and args[0] is x and x.ndim else None
    if dims is None or not all(-x.ndim <= dim < x.ndim for dim in dims):
        return None
    dims = {dim % x.ndim for dim in dims}
    if (results := _measured(func, args, kwargs)) is None:
        return None
    removes = results[0].ndim == x.ndim - len(dims)
    if not removes and results[0].ndim != x.ndim:
        return None
    places = {dim: dim - removes * sum(d < dim for d in dims) for dim in range(x.ndim) if dim not in dims}

    def decide(placement, *others):
        if not isinstance(placement, Shard) or placement.dim not in places:
            return None
        return (placement, *(Replicate() for _ in others)), Shard(places[placement.dim])

    shape, moves = _shape_of(results), _stays if func.__name__ in _MOVING else None
    if len(results) > 1 and not isinstance(shape, list):
        return None
    return _plan(operands, (args, kwargs), shape, decide, None, moves)


_MOVING = ("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "select", "narrow", "flip", "roll")


def _joined(func, args, kwargs, operands):
    """cat and stack: what is divided likewise, or whole, along another dimension."""
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    if (results := _measured(func, args, kwargs)) is None or len({x.ndim for x in operands}) > 1:
        return None
    adds = results[0].ndim - operands[0].ndim
    dim %= results[0].ndim

    def decide(*along):
        found = {p.dim for p in along if isinstance(p, Shard) and (adds or p.dim != dim)}
        if not found:
            return None
        cut = min(found)
        return [Shard(cut)] * len(along), Shard(cut + (adds and cut >= dim))

    of_partial = lambda *along: (along, along[0]) if all(p == along[0] for p in along) else None
    return _plan(operands, (args, kwargs), _shape_of(results), decide, None, of_partial)


def _reshaped(func, args, kwargs, operands):
    """flatten, unflatten and squeeze are views of another shape."""
    x = operands[0]
    if len(operands) != 1 or args[0] is not x or (results := _measured(func, args, kwargs)) is None:
        return None
    way = _view((x, tuple(results[0].shape)), {}, operands)
    if way is not None:
        way.function = taper.reshape
    return way


def _expanded(func, args, kwargs, operands):
    x = operands[0]
    if len(operands) != 1 or args[0] is not x or (results := _measured(func, args, kwargs)) is None:
        return None
    shape = tuple(results[0].shape)
    gap = len(shape) - x.ndim
    # -1: as it is; of what is divided the part has another size.
    sizes = [n if dim < gap or x.shape[dim - gap] != n else -1 for dim, n in enumerate(shape)]

    def decide(placement):
        return ((placement,), Shard(placement.dim + gap)) if sizes[placement.dim + gap] == -1 else None

    return _plan(operands, ((x, *sizes), {}), shape, decide, taper.Tensor.expand, _stays)


def _elementwise_loss(func, args, kwargs, operands):
    """Losses of an input and a target of one shape."""
    reduction = kwargs.get("reduction", "mean")
    if (
        len(args) != 2
        or len(operands) != 2
        or operands[0].shape != operands[1].shape
        or set(kwargs) - {"reduction"}
    ):
        return None
    way = _elementwise("mul")(args, kwargs, operands)
    if reduction == "none":
        return way
    divided = {p.dim for p in way.placements if isinstance(p, Shard)}
    ways = math.prod(n for n, p in zip(operands[0].device_mesh.shape, way.placements) if isinstance(p, Shard))
    if reduction == "mean" and any(operands[0].shape[dim] % ways for dim in divided):
        return None
    kind = Partial("avg" if reduction == "mean" else "sum")
    way.targets = [[Replicate() if isinstance(p, Partial) else p for p in along] for along in way.targets]
    way.placements = [kind if isinstance(p, Shard) else Replicate() for p in way.placements]
    way.shape = ()
    if reduction == "mean" and ways > 1:
        way.function = lambda *args, **kwargs: Share.apply(func(*args, **kwargs), ways)
    return way


def _class_loss(func, args, kwargs, operands):
    """Losses of rows of logits and indices of classes; of a mean the counts of all ranks matter."""
    x, target = operands if len(operands) == 2 and len(args) == 2 else (None, None)
    reduction = kwargs.get("reduction", "mean")
    if x is None or reduction == "mean" or x.ndim < 2 or target.shape != (x.shape[0], *x.shape[2:]):
        return None

    def decide(*along):
        if Shard(0) not in along:
            return None
        return (Shard(0), Shard(0)), Shard(0) if reduction == "none" else Partial()

    return _plan(operands, (args, kwargs), target.shape if reduction == "none" else (), decide)


def _attention(func, args, kwargs, operands):
    """Batches and heads by themselves."""
    if len(operands) != 3 or any(a is not b for a, b in zip(args, operands)) or len(args) < 3:
        return None
    q, k, v = operands
    if (results := _measured(func, args, kwargs)) is None or not q.ndim == k.ndim == v.ndim:
        return None

    def decide(*along):
        dim = next(p.dim for p in along if isinstance(p, Shard))
        if dim >= q.ndim - 2 or not q.shape[dim] == k.shape[dim] == v.shape[dim]:
            return None
        return [Shard(dim)] * 3, Shard(dim)

    return _plan(operands, (args, kwargs), _shape_of(results), decide)


_MEASURED = {
    **dict.fromkeys(WORKING_ALONG, _apart),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), _joined),
    **dict.fromkeys(("flatten", "unflatten", "squeeze", "view_as", "reshape_as"), _reshaped),
    **dict.fromkeys(("expand", "broadcast_to"), _expanded),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(
        ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits"),
        _elementwise_loss,
    ),
    **dict.fromkeys(("cross_entropy", "nll_loss"), _class_loss),
}

_RULES = {
    **{
        name: _elementwise(name)
        for name in (*_ELEMENTWISE, *("__iadd__", "__isub__", "__imul__", "__itruediv__", "copy_"))
    },
    **dict.fromkeys(("clone", "contiguous", "requires_grad_", "zero_"), _single(_stays)),
    **dict.fromkeys(("to", "float", "double", "half", "bfloat16"), _single(_linear_in)),
    **dict.fromkeys(("cpu", "cuda", "pin_memory"), _single(_stays)),
    **dict.fromkeys(("zeros_like", "ones_like", "empty_like", "full_like", "fill_"), _single(None)),
    **dict.fromkeys(("matmul", "__matmul__", "mm", "bmm"), _matmul),
    "linear": _linear,
    **{name: _along(name) for name in (*_STAYING, *_REDUCING)},
    **dict.fromkeys(("transpose", "swapaxes"), _ordered(_swapped)),
    "permute": _ordered(_permuted),
    **dict.fromkeys(("movedim", "moveaxis"), _ordered(_moved_dims)),
    "t": _ordered(lambda args, kwargs, ndim: range(ndim)[::-1]),
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("view", "reshape"), _view),
    **dict.fromkeys(("layer_norm", "rms_norm"), _norm),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    "embedding": _embedding,
    "__getitem__": _indexed,
    **{name: _extreme(name) for name in ("max", "min")},
}


def way_of(func, args, kwargs, operands):
    """The Way to do an operation part by part, or None."""
    name = func.__name__
    in_place = name.endswith("_") and name[:-1] in _ELEMENTWISE
    rule = _elementwise(name) if in_place else _RULES.get(name)
    way = rule(args, kwargs, operands) if rule else None
    if way is None and name in _MEASURED:
        way = _MEASURED[name](func, args, kwargs, operands)
    return way
