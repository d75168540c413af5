"""vmap: a function of single examples applied to a batch of them."""

import functools

from .. import _C
from .._creation import get_rng_state, set_rng_state
from ..autograd import function
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from . import _batched


def _flat_dims(dims, tree, name):
    """dims, which may stop above the leaves of tree, one for each leaf."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(tree_flatten(tree)[0])
    if isinstance(tree, dict) and isinstance(dims, dict) and dims.keys() == tree.keys():
        return [dim for key in tree for dim in _flat_dims(dims[key], tree[key], name)]
    if isinstance(tree, (tuple, list)) and isinstance(dims, (tuple, list)) and len(dims) == len(tree):
        return [dim for d, branch in zip(dims, tree) for dim in _flat_dims(d, branch, name)]
    raise ValueError(
        f"vmap: {name} is not compatible with the structure of the values: got {dims!r} for "
        f"{type(tree).__name__} of {len(tree) if hasattr(tree, '__len__') else 1}"
    )


def _batch_size(leaves, dims):
    sizes = set()
    for leaf, dim in zip(leaves, dims):
        if dim is None:
            continue
        if not isinstance(leaf, _C.Tensor):
            raise ValueError(
                f"vmap: in_dim is {dim} for an input that is no Tensor but {type(leaf).__name__}; use None"
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(f"vmap: in_dim {dim} is out of range for an input of shape {tuple(leaf.shape)}")
        sizes.add(leaf.shape[dim])
    if not sizes:
        raise ValueError("vmap: at least one in_dim must not be None")
    if len(sizes) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got "
            f"sizes {sorted(sizes)} for the mapped dimension"
        )
    return sizes.pop()


def _call_each(func, leaves, dims, spec, keywords, batch_size, randomness):
    before = get_rng_state()
    for i in range(batch_size):
        if randomness == "same":
            set_rng_state(before)
        args = [leaf if dim is None else leaf.select(dim, i) for leaf, dim in zip(leaves, dims)]
        yield func(
            *tree_unflatten(args, spec),
            **tree_map(lambda value: value.select(0, i) if isinstance(value, _C.Tensor) else value, keywords),
        )
        if randomness == "error" and not bool((get_rng_state() == before).all()):
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either "
                "use the 'same' or 'different' randomness flags on vmap or perform the "
                "randomness operation out of vmap"
            )


def _stacked(results, out_dims):
    stack = _C._homes["taper"]["stack"]
    flat, spec = tree_flatten(results[0])
    rows = [flat] + [tree_flatten(result)[0] for result in results[1:]]
    for value in flat:
        if not isinstance(value, _C.Tensor):
            raise ValueError(f"vmap: the function must only return Tensors, got {type(value).__name__}")
    dims = _flat_dims(out_dims, results[0], "out_dims")
    stacked = []
    for k, dim in enumerate(dims):
        if dim is None:
            stacked.append(rows[-1][k])
        else:
            stacked.append(stack([row[k] for row in rows], dim))
    return tree_unflatten(stacked, spec)


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """func mapped over dimension in_dims of its arguments, its results stacked along out_dims.

    The function is called once with tensors that stand for all examples, where every operation in it has a
    rule for that (elementwise ones, reductions, products, views, common layers and losses, and derivatives of
    those). Else, as where it branches on values or draws random numbers, it is called once for each example,
    from the start, and the results are stacked: what it changes outside of itself it may then have changed
    already. chunk_size changes no result and is only checked.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        leaves, spec = tree_flatten(args)
        dims = _flat_dims(in_dims, args, "in_dims")
        keyword_leaves = [x for x in tree_flatten(kwargs)[0] if isinstance(x, _C.Tensor)]
        size = _batch_size(leaves + keyword_leaves, dims + [0] * len(keyword_leaves))
        if size == 0:
            raise ValueError("vmap: the mapped dimension has size 0, so the shape of the results is unknown")
        together = _call_together(func, leaves, dims, spec, kwargs, size, out_dims)
        if together is not None:
            return together
        return _stacked(list(_call_each(func, leaves, dims, spec, kwargs, size, randomness)), out_dims)

    return mapped


def _call_together(func, leaves, dims, spec, keywords, size, out_dims):
    """The results for all examples from one call; None where an operation has no rule, or anything fails."""
    level = len(_batched.running) + 1

    def batch(leaf, dim):
        return leaf if dim is None else _batched.batched(leaf.movedim(dim, 0), level)

    before = _C.default_generator._get_state()
    _batched.running.append((level, size))
    function.inside_vmap += 1
    try:
        args = [batch(leaf, dim) for leaf, dim in zip(leaves, dims)]
        named = tree_map(lambda x: batch(x, 0) if isinstance(x, _C.Tensor) else x, keywords)
        result = func(*tree_unflatten(args, spec), **named)
        flat, result_spec = tree_flatten(result)
        values = [
            _unbatched(x, d, level, size) for x, d in zip(flat, _flat_dims(out_dims, result, "out_dims"))
        ]
        drew = _C.default_generator._get_state() != before
    except Exception:  # what it was, the loop tells
        values, drew = None, True
    finally:
        function.inside_vmap -= 1
        _batched.running.pop()
    if drew:
        _C.default_generator._set_state(*before)
        return None
    return tree_unflatten(values, result_spec)


def _unbatched(x, dim, level, size):
    if not isinstance(x, _C.Tensor):
        raise TypeError
    own = type(x) is _batched.Batched and x._level == level
    if dim is None:
        return x._value.select(0, -1) if own else x
    value = x._value if own else x.unsqueeze(0).expand(size, *x.shape)
    return value.movedim(0, dim)
