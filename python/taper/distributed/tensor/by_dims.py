"""Along which dimensions operations work: each place along the others is computed by itself, so that those
may be divided."""


def _dim(x, dim=-1, *args, **kwargs):
    return [dim]


def _second(x, _, dim=0, *args, **kwargs):
    return [dim]


def _some(dims):
    """dims: an int or several; None where all count."""
    return None if dims is None else [dims] if isinstance(dims, int) else list(dims)


def _optional(x, dim=None, *args, **kwargs):
    return _some(dim) if dim is None or isinstance(dim, (int, tuple, list)) else None


def _norm(x, ord=2, dim=None, *args, **kwargs):
    return _some(dim)


def _flip(x, *dims, **kwargs):
    dims = kwargs.get("dims", dims)
    return list(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else list(dims)


def _spatial(count):
    """Of pooling: all dimensions but those of batch and channels."""
    return lambda x, *args, **kwargs: range(x.ndim - count, x.ndim)


def _batch_norm(x, mean=None, variance=None, weight=None, bias=None, training=False, *args, **kwargs):
    return None if training or mean is None else range(1, x.ndim)


def _padded(x, pad, *args, **kwargs):
    return range(x.ndim - len(pad) // 2, x.ndim)


# By name, a function of the arguments: the dimensions, or None where the operation cannot be done by parts.
WORKING_ALONG = {
    **dict.fromkeys(("cummax", "cummin", "select", "narrow", "index_select", "logcumsumexp"), _dim),
    **dict.fromkeys(("sort", "argsort"), _dim),
    "unbind": lambda x, dim=0: [dim],
    **dict.fromkeys(("topk", "kthvalue"), lambda x, k, dim=-1, *args, **kwargs: [dim]),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "tensor_split"), _second),
    **dict.fromkeys(("std", "var", "max", "min", "median", "mode"), _optional),
    **dict.fromkeys(("norm", "vector_norm"), _norm),
    "flip": _flip,
    "roll": lambda x, shifts, dims=None: _some(dims),
    "normalize": lambda x, p=2.0, dim=1, *args, **kwargs: [dim],
    **dict.fromkeys(("tril", "triu"), lambda x, *args, **kwargs: [-1, -2]),
    "pad": _padded,
    **{
        f"{kind}_pool{n}d": _spatial(n)
        for n in (1, 2, 3)
        for kind in "max avg adaptive_avg adaptive_max".split()
    },
    "interpolate": lambda x, *args, **kwargs: range(2, x.ndim),
    **dict.fromkeys(("group_norm", "instance_norm"), lambda x, *args, **kwargs: range(1, x.ndim)),
    "batch_norm": _batch_norm,
}
