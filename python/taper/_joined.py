"""Functions that take any number of tensors or shapes, and copies of what view functions show."""

from collections import namedtuple

from . import _C

_functions = _C._homes["taper"]


def _listed(tensors):
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)


def block_diag(*tensors):
    """Matrices along the diagonal of a larger one."""
    return _functions["block_diag"](_listed(tensors))


def cartesian_prod(*tensors):
    """All tuples with one element of each vector."""
    return _functions["cartesian_prod"](_listed(tensors))


def atleast_1d(*tensors):
    """Each tensor with at least 1 dimension: one for one tensor, a tuple for several or for a list."""
    return _at_least("atleast_1d", tensors)


def atleast_2d(*tensors):
    """Each tensor with at least 2 dimensions: one for one tensor, a tuple for several or for a list."""
    return _at_least("atleast_2d", tensors)


def atleast_3d(*tensors):
    """Each tensor with at least 3 dimensions: one for one tensor, a tuple for several or for a list."""
    return _at_least("atleast_3d", tensors)


def _at_least(name, tensors):
    single = len(tensors) == 1 and isinstance(tensors[0], _C.Tensor)
    return _functions[name](tensors[0] if single else _listed(tensors))


def broadcast_shapes(*shapes):
    """The shape to which tensors of these shapes broadcast; a number is a shape of one dimension."""
    shapes = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    result = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for place, size in enumerate(reversed(shape), 1):
            if size < 0:
                raise _C.ShapeError(f"broadcast_shapes: sizes must not be negative, got {shape}")
            if size != 1 and result[-place] not in (1, size):
                raise _C.ShapeError(f"broadcast_shapes: shapes {shapes} cannot be broadcast together")
            result[-place] = result[-place] if size == 1 else size
    return _C.Size(result)


def histogramdd(input, bins, range=None, weight=None, density=False):
    """The histogram of points over several dimensions, and a tuple of the edges along each."""
    hist, *edges = _functions["_histogramdd"](input, bins, range=range, weight=weight, density=density)
    return _HistogramDD(hist, tuple(edges))


_HistogramDD = namedtuple("histogramdd", "hist bin_edges")


def _copying(name, view=None):
    view = view or _functions.get(name) or getattr(_C.Tensor, name)

    def copied(*arguments, **named):
        out = named.pop("out", None)
        shown = view(*arguments, **named)
        several = isinstance(shown, (list, tuple))
        copies = [t.clone(memory_format="contiguous") for t in (shown if several else [shown])]
        copies = tuple(copies) if several else copies[0]
        if out is not None:
            _C._write_out(out, copies, name + "_copy")
        return copies if out is None else out

    copied.__name__ = copied.__qualname__ = name + "_copy"
    copied.__doc__ = f"As {name}, in new memory."
    return copied


view_copies = {
    name + "_copy": _copying(name)
    for name in (
        "as_strided",
        "diagonal",
        "expand",
        "narrow",
        "permute",
        "select",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unfold",
        "unsqueeze",
        "view",
        "view_as_complex",
        "view_as_real",
    )
}
view_copies["alias_copy"] = _copying("alias", lambda input: input)
view_copies["slice_copy"] = _copying(
    "slice",
    lambda input, dim=0, start=None, end=None, step=1: input.movedim(dim, 0)[start:end:step].movedim(0, dim),
)
globals().update(view_copies)
