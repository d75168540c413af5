"""How a batch is cut into parts, and the outputs of the parts put together."""

import taper
from taper import _C
from taper.utils._pytree import tree_flatten, tree_map, tree_unflatten


class TensorChunkSpec:
    """Cut, or put together, along dimension split_dim."""

    def __init__(self, split_dim):
        self.split_dim = split_dim

    def __repr__(self):
        return f"taper.distributed.pipelining.microbatch.TensorChunkSpec({self.split_dim})"

    def __str__(self):
        return f"TensorChunkSpec({self.split_dim})"

    @staticmethod
    def from_tuple(chunk_dims):
        """One for each number."""
        return tree_map(TensorChunkSpec, tuple(chunk_dims))

    @staticmethod
    def from_dict(chunk_dims):
        """One for each number, by the same names."""
        return tree_map(TensorChunkSpec, dict(chunk_dims))


class _Replicate:
    """All parts get the value as it is."""


class _CustomReducer:
    """An output that is folded over the parts: reduce_fn(what is there, that of the next part)."""

    def __init__(self, init_value, reduce_fn):
        self.init_value, self.reduce_fn = init_value, reduce_fn


def _default(value):
    return TensorChunkSpec(0) if isinstance(value, _C.Tensor) else _Replicate()


def split(value, parts, spec=None):
    """value, in which tensors are cut into that many parts, once for each part. spec: a TensorChunkSpec or
    _Replicate for each leaf; along the first dimension unless given. Parts differ by one in size where they
    do not come out even; raises ShapeError where there are fewer elements than parts."""
    leaves, structure = tree_flatten(value)
    specs = list(map(_default, leaves)) if spec is None else tree_flatten(spec)[0]
    if len(specs) != len(leaves):
        raise ValueError(f"pipelining: {len(leaves)} values are to be cut, the chunk spec has {len(specs)}")
    columns = [_split_leaf(leaf, parts, spec) for leaf, spec in zip(leaves, specs)]
    return [tree_unflatten([column[part] for column in columns], structure) for part in range(parts)]


def _split_leaf(leaf, parts, spec):
    if spec is _Replicate or isinstance(spec, _Replicate):
        return [leaf] * parts
    if not isinstance(spec, TensorChunkSpec) or not isinstance(leaf, _C.Tensor):
        raise ValueError(f"Unsupported chunk spec: {spec} and value: {leaf} combination.")
    dim = spec.split_dim
    if not -leaf.ndim <= dim < leaf.ndim or leaf.shape[dim] < parts:
        raise _C.ShapeError(
            f"pipelining: a tensor of shape {tuple(leaf.shape)} cannot be cut into {parts} parts along "
            f"dimension {dim}"
        )
    return leaf.tensor_split(parts, dim)


def split_args_kwargs_into_chunks(args, kwargs, chunks, args_chunk_spec=None, kwargs_chunk_spec=None):
    """(positional, named) arguments of each part: see split(). Specs of arguments that there are not, as of a
    rank without the first stage, don't count."""
    named = dict(kwargs or {})
    if kwargs_chunk_spec is not None:
        kwargs_chunk_spec = {
            name: kwargs_chunk_spec.get(name, _default(value)) for name, value in named.items()
        }
    args_split = split(tuple(args), chunks, args_chunk_spec if args else None)
    return args_split, split(named, chunks, kwargs_chunk_spec)


def merge_chunks(chunks, chunk_spec=None):
    """The value of which these are the parts. Without chunk_spec tensors are joined along the first
    dimension; leaves of a spec that are neither TensorChunkSpec nor _CustomReducer stand for values equal
    in all parts."""
    columns = list(zip(*(tree_flatten(chunk)[0] for chunk in chunks), strict=True))
    if chunk_spec is None:
        structure, specs = tree_flatten(chunks[0])[1], [TensorChunkSpec(0)] * len(columns)
    else:
        specs, structure = tree_flatten(chunk_spec)
    if len(specs) != len(columns):
        raise ValueError(f"Chunk {chunks[0]} did not match chunk spec {chunk_spec}")
    return tree_unflatten([_merge(column, spec) for column, spec in zip(columns, specs)], structure)


def _merge(column, spec):
    if isinstance(spec, TensorChunkSpec):
        return taper.cat(column, spec.split_dim)
    if isinstance(spec, _CustomReducer):
        value = spec.init_value
        for item in column:
            value = spec.reduce_fn(value, item)
        return value
    if any(item != column[0] for item in column[1:]):
        raise ValueError(f"pipelining: the parts gave {column}, expected equal values")
    return column[0]
