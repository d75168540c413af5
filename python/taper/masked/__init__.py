"""Reductions and normalizations over the elements where a mask is true, with torch.masked's names.

Masked-out elements are replaced by what leaves the reduction as it is: 0 for a sum, the least number for a
maximum. A mask broadcasts to the input; None is all true.
"""

from .. import _C, iinfo

_f = _C._homes["taper"]
_functional = _C._homes["nn.functional"]
_bool = _C.bool
_inf = float("inf")

__all__ = [
    "sum",
    "prod",
    "cumsum",
    "cumprod",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "mean",
    "median",
    "norm",
    "var",
    "std",
    "softmax",
    "log_softmax",
    "softmin",
    "normalize",
    "logaddexp",
    "logsumexp",
]


def _dims(dim, ndim):
    """dim as a sorted tuple; None and () are all dimensions."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    size, dims = max(ndim, 1), []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -size <= d < size:
            raise _C.IndexError(f"masked: dimension {d} is out of range for {ndim} dimensions")
        if d % size in dims:
            raise _C.ValueError(f"masked: dimension {d} appears more than once")
        dims.append(d % size)
    return tuple(sorted(dims))


def _mask(input, mask):
    if mask.ndim > input.ndim:
        raise _C.IndexError(f"masked: a mask of {mask.ndim} dimensions does not fit an input of {input.ndim}")
    return mask.to(_bool).broadcast_to(input.shape)


def _filled(input, mask, value):
    if mask is None:
        return input
    return _f["where"](
        _mask(input, mask), input, _f["scalar_tensor"](value, dtype=input.dtype, device=input.device)
    )


def _least(dtype):
    return -_inf if dtype.is_floating_point else iinfo(dtype).min


def _greatest(dtype):
    return _inf if dtype.is_floating_point else iinfo(dtype).max


def _total_dtype(input, dtype):
    if dtype is not None or input.dtype.is_floating_point or input.dtype.is_complex:
        return dtype or input.dtype
    return _C.int64


def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The sum over dim where mask is true."""
    dtype = _total_dtype(input, dtype)
    return _f["sum"](_filled(input, mask, 0), _dims(dim, input.ndim), keepdim, dtype=dtype)


def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The product over dim where mask is true."""
    result = _filled(input, mask, 1).to(_total_dtype(input, dtype))
    for d in reversed(_dims(dim, input.ndim)):
        result = result.prod(dim=d, keepdim=keepdim)
    return result


def cumsum(input, dim, *, dtype=None, mask=None):
    """Running sums along dim of the elements where mask is true."""
    dtype = dtype or input.dtype
    return _f["cumsum"](_filled(input, mask, 0), _dims(dim, input.ndim)[0], dtype=dtype).to(dtype)


def cumprod(input, dim, *, dtype=None, mask=None):
    """Running products along dim of the elements where mask is true."""
    dtype = dtype or input.dtype
    return _f["cumprod"](_filled(input, mask, 1), _dims(dim, input.ndim)[0], dtype=dtype).to(dtype)


def amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The largest element over dim where mask is true."""
    filled = _filled(input, mask, _least(input.dtype))
    return _f["amax"](filled, _dims(dim, input.ndim), keepdim).to(dtype or input.dtype)


def amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The smallest element over dim where mask is true."""
    filled = _filled(input, mask, _greatest(input.dtype))
    return _f["amin"](filled, _dims(dim, input.ndim), keepdim).to(dtype or input.dtype)


def argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The place along dim of the largest element where mask is true."""
    return _f["argmax"](_filled(input, mask, _least(input.dtype)), dim, keepdim).to(dtype or input.dtype)


def argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The place along dim of the smallest element where mask is true."""
    return _f["argmin"](_filled(input, mask, _greatest(input.dtype)), dim, keepdim).to(dtype or input.dtype)


def _count(input, dim, keepdim, mask):
    present = _f["ones_like"](input, dtype=_bool) if mask is None else _mask(input, mask)
    return _f["sum"](present.detach(), _dims(dim, input.ndim), keepdim)


def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The mean over dim where mask is true; NaN where it is nowhere true."""
    wanted = dtype or input.dtype
    if not (wanted.is_floating_point or wanted.is_complex):
        raise _C.ValueError(f"masked.mean: needs a floating or complex dtype, got {wanted}")
    return sum(input, dim, keepdim=keepdim, dtype=wanted, mask=mask) / _count(input, dim, keepdim, mask)


def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The median along dim of the elements where mask is true."""
    floating = input.dtype.is_floating_point
    values = input if floating else input.to(_C.float32)
    result = _f["nanmedian"](_filled(values, mask, float("nan")), _dims(dim, input.ndim)[0], keepdim).values
    if floating:
        return result
    if result.isnan().any():
        raise _C.ValueError("masked.median: a row without elements has no median in an integer dtype")
    return result.to(dtype or input.dtype)


def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """log(sum(exp(input))) over dim where mask is true."""
    least = -_inf if input.dtype.is_complex else _least(input.dtype)
    filled = _filled(input, mask, least)
    return _f["logsumexp"](filled, _dims(dim, input.ndim), keepdim).to(dtype or input.dtype)


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)); what is masked out does not count."""
    a = _filled(input, input_mask, _least(input.dtype))
    b = _filled(other, other_mask, _least(other.dtype))
    return _f["logaddexp"](a, b).to(dtype or input.dtype)


def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The vector norm over dim of the elements where mask is true."""
    filled = _filled(input, mask, _inf if ord == -_inf else 0)
    vector_norm = _C._homes["linalg"]["vector_norm"]
    dims, dtype = _dims(dim, input.ndim), dtype or input.dtype
    return vector_norm(filled, 2.0 if ord is None else ord, dims, keepdim, dtype=dtype)


def _deviation(input, dim, unbiased, correction, keepdim, dtype, mask):
    if unbiased is not None and correction is not None:
        raise _C.ValueError("masked.var and std: give unbiased or correction, not both")
    correction = (1 if unbiased in (None, True) else 0) if correction is None else correction
    if dtype is None:
        dtype = input.dtype if input.dtype.is_floating_point or input.dtype.is_complex else _C.float32
    computed = dtype if dtype.is_floating_point or dtype.is_complex else _C.float32
    centre = sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / _count(input, dim, True, mask)
    distance = input - centre
    total = sum(distance * distance.conj(), dim, keepdim=keepdim, dtype=computed, mask=mask)
    count = _count(input, dim, keepdim, mask)
    if correction:
        real = _C.float64 if computed in (_C.float64, _C.complex128) else _C.float32
        count = _f["clamp"](count.to(real) - correction, 0)
    return (total / count).to(dtype)


def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The variance over dim where mask is true."""
    return _deviation(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The standard deviation over dim where mask is true."""
    return _deviation(input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()


def softmax(input, dim, *, dtype=None, mask=None):
    """softmax along dim over the elements where mask is true."""
    filled = _filled(input, mask, _least(input.dtype))
    return _functional["softmax"](filled, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def log_softmax(input, dim, *, dtype=None, mask=None):
    """log_softmax along dim over the elements where mask is true."""
    filled = _filled(input, mask, _least(input.dtype))
    return _functional["log_softmax"](filled, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def softmin(input, dim, *, dtype=None, mask=None):
    """softmin along dim over the elements where mask is true."""
    filled = _filled(input, mask, _greatest(input.dtype))
    return _functional["softmax"](-filled, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """input over its norm along dim, both where mask is true."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / size.clamp(min=eps)
