"""Derivatives of functions: gradients, Jacobians, Hessians and their products with vectors."""

import functools

from .. import _C
from .._grad_mode import enable_grad
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from . import _batched

_ops = _C._homes["taper"]
_depth = 0  # calls of this file that are running: an inner one keeps its graph for the outer


def _fresh(x):
    """x as a new variable: derivatives with respect to it don't mix with those of an outer call."""
    if not isinstance(x, _C.Tensor) or not (x.is_floating_point() or x.is_complex()):
        return x
    if _batched.running:
        return _batched.fresh(x)
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _tensors(tree):
    return [x for x in tree_flatten(tree)[0] if isinstance(x, _C.Tensor)]


def _other_leaves(tensors, own):
    """Whether tensors depend on variables besides own, parameters of a module for example."""
    seen, waiting = set(), [x.grad_fn for x in tensors if x.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and not any(variable is getattr(x, "_value", x) for x in own):
            return True
        waiting.extend(next_node for next_node, _ in node.next_functions if next_node is not None)
    return False


class _Level:
    """One running derivative: counts the depth, and says what becomes of the graph at its end."""

    def __enter__(self):
        global _depth
        _depth += 1
        self.mode = enable_grad()
        self.mode.__enter__()
        return self

    def __exit__(self, *exception):
        global _depth
        _depth -= 1
        self.mode.__exit__(*exception)

    def finish(self, tree, own):
        """tree, outside of the graph where nobody but this call's own variables could ask for it."""
        tensors = _tensors(tree)
        if _depth > 1 or _other_leaves(tensors, own):
            return tree
        return tree_map(lambda x: x.detach() if isinstance(x, _C.Tensor) else x, tree)


def _gradients(outputs, inputs, starts=()):
    if any(type(x) is _batched.Batched for x in (*outputs, *inputs)):
        return _batched.gradients(_gradients, outputs, inputs, starts)
    kept = [(y, s) for y, s in zip(outputs, starts or [None] * len(outputs)) if y.requires_grad]
    if not kept or not inputs:
        return [_ops["zeros_like"](x) for x in inputs]
    starts = tuple(s for _, s in kept) if starts else ()
    results = _C._grad(tuple(y for y, _ in kept), tuple(inputs), starts, True, True, True)
    return [_ops["zeros_like"](x) if g is None else g for g, x in zip(results, inputs)]


def _chosen(args, argnums, name):
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if any(not -len(args) <= n < len(args) for n in numbers):
        raise RuntimeError(f"{name}: got argnum={argnums}, but only {len(args)} positional inputs")
    fresh = list(args)
    for n in numbers:
        fresh[n] = tree_map(_fresh, args[n])
    chosen = tuple(fresh[n] for n in numbers)
    return fresh, chosen[0] if isinstance(argnums, int) else chosen


def grad_and_value(func, argnums=0, has_aux=False):
    """A function for (gradients, value) of func, which returns a scalar.

    With has_aux func returns (value, aux), and the result is (gradients, (value, aux)).
    """

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        with _Level() as level:
            fresh, chosen = _chosen(args, argnums, "grad_and_value")
            value = func(*fresh, **kwargs)
            value, aux = value if has_aux else (value, None)
            if not isinstance(value, _C.Tensor):
                raise RuntimeError(f"Expected f(*args) to return a tensor, got {type(value).__name__}")
            if value.ndim != 0:
                raise RuntimeError(
                    "Expected f(*args) to return a scalar tensor, got tensor with "
                    f"{value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs "
                    "instead?"
                )
            leaves, spec = tree_flatten(chosen)
            gradients = tree_unflatten(_gradients([value], leaves), spec)
            return level.finish((gradients, (value, aux) if has_aux else value), leaves)

    return wrapper


def grad(func, argnums=0, has_aux=False):
    """A function for the gradient of func, which returns a scalar; with has_aux, (gradient, aux)."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        gradients, value = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapper


def vjp(func, *primals, has_aux=False):
    """(func(*primals), vjp_fn): vjp_fn(v) is the product of v with the Jacobian, one result per primal."""
    with _Level() as level:
        fresh = tree_map(_fresh, primals)
        result = func(*fresh)
        result, aux = result if has_aux else (result, None)
        leaves, spec = tree_flatten(fresh)
        outputs = _tensors(result)

        def vjp_fn(cotangents, retain_graph=True, create_graph=None):
            with _Level() as inner:
                starts = _tensors(cotangents)
                if len(starts) != len(outputs):
                    raise RuntimeError(
                        f"vjp: expected {len(outputs)} cotangents as func has results, got {len(starts)}"
                    )
                gradients = tree_unflatten(_gradients(outputs, leaves, starts), spec)
                gradients = inner.finish(gradients, leaves)
            return gradients

        shown = level.finish(result, leaves)
        return (shown, vjp_fn, level.finish(aux, leaves)) if has_aux else (shown, vjp_fn)


def _pushed(outputs, leaves, tangents):
    """Jacobian times tangents: v^T J is linear in v, and its derivative in v, along tangents, is J t."""
    helpers = [_ops["zeros_like"](y).requires_grad_() for y in outputs]
    kept = [i for i, y in enumerate(outputs) if y.requires_grad]
    first = _gradients([outputs[i] for i in kept], leaves, [helpers[i] for i in kept]) if kept else []
    wanted = [(g, t) for g, t in zip(first, tangents) if g.requires_grad]
    if not wanted:
        return [_ops["zeros_like"](y) for y in outputs]
    return _gradients([g for g, _ in wanted], helpers, [t for _, t in wanted])


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(func(*primals), J tangents), by differentiating the product from the left once more."""
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise RuntimeError("jvp: expected primals and tangents to be tuples of equal length")
    with _Level() as level:
        fresh = tree_map(_fresh, primals)
        result = func(*fresh)
        result, aux = result if has_aux else (result, None)
        outputs, spec = tree_flatten(result)
        pushed = tree_unflatten(_pushed(outputs, tree_flatten(fresh)[0], tree_flatten(tangents)[0]), spec)
        own = tree_flatten(fresh)[0]
        shown, pushed = level.finish((result, pushed), own)
        return (shown, pushed, level.finish(aux, own)) if has_aux else (shown, pushed)


def _basis(x):
    for i in range(x.numel()):
        direction = _ops["zeros"]((x.numel(),), dtype=x.dtype, device=x.device)
        direction[i] = 1
        yield direction.view(x.shape)


def _rows(y, leaves):
    rows = [_gradients([y], leaves, [start]) for start in _basis(y)]
    if not rows:
        return [
            _ops["zeros"](tuple(y.shape) + tuple(x.shape), dtype=x.dtype, device=x.device) for x in leaves
        ]
    return [
        _ops["stack"]([row[i] for row in rows]).reshape(tuple(y.shape) + tuple(x.shape))
        for i, x in enumerate(leaves)
    ]


def _columns(outputs, leaves):
    """For each output, its Jacobian with respect to each leaf, column by column."""
    blocks = [[] for _ in outputs]
    for k, x in enumerate(leaves):
        zeros = [_ops["zeros_like"](other) for other in leaves]
        columns = [_pushed(outputs, leaves, zeros[:k] + [t] + zeros[k + 1 :]) for t in _basis(x)]
        for j, y in enumerate(outputs):
            shape = tuple(y.shape) + tuple(x.shape)
            blocks[j].append(
                _ops["stack"]([column[j] for column in columns], -1).reshape(shape)
                if columns
                else _ops["zeros"](shape, dtype=y.dtype, device=y.device)
            )
    return blocks


def _jacobian(name, func, argnums, has_aux, blocks_of):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        with _Level() as level:
            fresh, chosen = _chosen(args, argnums, name)
            result = func(*fresh, **kwargs)
            result, aux = result if has_aux else (result, None)
            leaves, spec = tree_flatten(chosen)
            outputs, output_spec = tree_flatten(result)
            blocks = [tree_unflatten(block, spec) for block in blocks_of(outputs, leaves)]
            jacobian = level.finish(tree_unflatten(blocks, output_spec), leaves)
            return (jacobian, level.finish(aux, leaves)) if has_aux else jacobian

    return wrapper


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function for the Jacobian of func, row by row; shaped output.shape + input.shape."""
    return _jacobian("jacrev", func, argnums, has_aux, lambda ys, xs: [_rows(y, xs) for y in ys])


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function for the Jacobian of func, column by column; shaped output.shape + input.shape."""
    return _jacobian("jacfwd", func, argnums, has_aux, _columns)


def hessian(func, argnums=0):
    """A function for the second derivatives of func: the Jacobian of its Jacobian."""
    return jacrev(jacrev(func, argnums), argnums)


def linearize(func, *primals):
    """(func(*primals), a function of tangents that gives J tangents)."""

    def tangent_map(*tangents):
        return jvp(func, primals, tangents)[1]

    return func(*primals), tangent_map
