"""Running results of an associative function: Blelloch 1990, Prefix Sums and Their Applications."""

from .. import _C
from ..utils._pytree import tree_flatten, tree_unflatten

_ops = _C._homes["taper"]


def associative_scan(combine_fn, xs, dim, reverse=False, combine_mode="pointwise"):
    """combine_fn(... combine_fn(x[0], x[1]) ..., x[i]) for each place i along dim of the tensors in xs.

    combine_fn takes two trees like xs and must be associative; it is called about 2 log2(n) times, with many
    places at once. Throws ValueError where the tensors have no places or different numbers of them along dim.
    """
    leaves, spec = tree_flatten(xs)
    sizes = {x.shape[dim] for x in leaves}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            f"associative_scan: needs tensors of one size, not 0, along dim {dim}, got {sorted(sizes)}"
        )
    leaves = [x.movedim(dim, 0) for x in leaves]
    leaves = [x.flip(0) for x in leaves] if reverse else leaves

    def combine(a, b):
        back = [tree_unflatten([x.movedim(0, dim) for x in part], spec) for part in (a, b)]
        return [x.movedim(dim, 0) for x in tree_flatten(combine_fn(*back))[0]]

    results = _scan(combine, leaves)
    results = [x.flip(0) for x in results] if reverse else results
    return tree_unflatten([x.movedim(0, dim) for x in results], spec)


def _scan(combine, xs):
    size = len(xs[0])
    if size == 1:
        return xs
    pairs = combine([x[: size - 1 : 2] for x in xs], [x[1::2] for x in xs])
    odd = _scan(combine, pairs)
    even = [x[:1] for x in xs]
    if size > 2:
        later = combine([x[: (size - 1) // 2] for x in odd], [x[2::2] for x in xs])
        even = [_ops["cat"]([first, rest]) for first, rest in zip(even, later)]
    return [_interleaved(a, b) for a, b in zip(even, odd)]


def _interleaved(even, odd):
    both = _ops["stack"]([even[: len(odd)], odd], 1).flatten(0, 1)
    return both if len(even) == len(odd) else _ops["cat"]([both, even[-1:]])
