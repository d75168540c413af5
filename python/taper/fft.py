"""Discrete Fourier transforms, with PyTorch's names."""

from . import _C
from .linalg import _with_out

_taper = _C._homes["taper"]
_transform = _C._homes["fft"]["_fourier"]

__all__ = [
    "fft",
    "ifft",
    "rfft",
    "irfft",
    "hfft",
    "ihfft",
    "fft2",
    "ifft2",
    "rfft2",
    "irfft2",
    "hfft2",
    "ihfft2",
    "fftn",
    "ifftn",
    "rfftn",
    "irfftn",
    "hfftn",
    "ihfftn",
    "fftfreq",
    "rfftfreq",
    "fftshift",
    "ifftshift",
]


def _scaled(x, count, norm, forward):
    """x divided by count, its root or nothing, as norm says for this direction."""
    if norm not in (None, "forward", "backward", "ortho"):
        raise _C.Error(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return x / count**0.5
    return x / count if (norm == "forward") == forward else x


def _dim_of(x, dim):
    if not -max(x.ndim, 1) <= dim < max(x.ndim, 1):
        raise _C.IndexError(
            f"Dimension out of range (expected to be in range of [{-x.ndim}, {x.ndim - 1}], but got {dim})"
        )
    if x.ndim == 0:
        raise _C.IndexError("Dimension specified as -1 but tensor has no dimensions")
    return dim % x.ndim


def _resized(x, n, dim):
    """x cut or filled with zeros to n elements along dim."""
    size = x.shape[dim]
    if n > size:
        zeros = x.new_zeros((*x.shape[:dim], n - size, *x.shape[dim + 1 :]))
        return _taper["cat"]([x, zeros], dim)
    return x.narrow(dim, 0, n) if n < size else x


def _check_count(n):
    if n < 1:
        raise _C.Error(f"Invalid number of data points ({n}) specified")


def _dims_of(x, s, dim):
    """The transformed dimensions and their sizes."""
    if s is not None and isinstance(s, int):
        s = (s,)
    if dim is None:
        dim = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
        if s is not None and len(s) > x.ndim:
            raise _C.Error(f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.")
    dims = [_dim_of(x, d) for d in ((dim,) if isinstance(dim, int) else dim)]
    if len(set(dims)) < len(dims):
        raise _C.Error("FFT dims must be unique")
    if s is not None and len(s) != len(dims):
        raise _C.Error("When given, dim and shape arguments must have the same length")
    sizes = [x.shape[d] if s is None or s[i] == -1 else s[i] for i, d in enumerate(dims)]
    return dims, sizes


def _complex_to_complex(x, s, dim, norm, inverse):
    dims, sizes = _dims_of(x, s, dim)
    for n in sizes:
        _check_count(n)
    count = 1
    if not dims and not x.is_complex():
        x = _taper["complex"](x.to(_real_type(x)), _taper["zeros_like"](x.to(_real_type(x))))
    for d, n in zip(dims, sizes):
        x, count = _transform(_resized(x, n, d), d, inverse), count * n
    return _scaled(x, count, norm, not inverse)


def _real_type(x):
    return x.dtype if x.is_floating_point() else _C.get_default_dtype()


def _real_to_half(x, s, dim, norm, name, inverse=False):
    if x.is_complex():
        raise _C.Error(f"{name} expects a real input tensor, but got {x.dtype}")
    dims, sizes = _dims_of(x, s, dim)
    if not dims:
        raise _C.Error(f"{name} must transform at least one axis")
    for n in sizes:
        _check_count(n)
    x = _transform(_resized(x, sizes[-1], dims[-1]), dims[-1], inverse)
    x = x.narrow(dims[-1], 0, sizes[-1] // 2 + 1)
    count = sizes[-1]
    for d, n in zip(dims[:-1], sizes[:-1]):
        x, count = _transform(_resized(x, n, d), d, inverse), count * n
    return _scaled(x, count, norm, not inverse)


def _half_to_real(x, s, dim, norm, name, inverse=True):
    dims, sizes = _dims_of(x, s, dim)
    if not dims:
        raise _C.Error(f"{name} must transform at least one axis")
    if s is None or (not isinstance(s, int) and s[-1] == -1):
        sizes[-1] = 2 * (x.shape[dims[-1]] - 1)
    for n in sizes:
        _check_count(n)
    count = 1
    for d, n in zip(dims[:-1], sizes[:-1]):
        x, count = _transform(_resized(x, n, d), d, inverse), count * n
    last, n = dims[-1], sizes[-1]
    x = _resized(x, n // 2 + 1, last)
    if not x.is_complex():
        x = _taper["complex"](x.to(_real_type(x)), _taper["zeros_like"](x.to(_real_type(x))))
    # The other half mirrors this one; the parts that a real result cannot have are not looked at.
    mirrored = x.narrow(last, 1, (n - 1) // 2).flip(last).conj()
    x = _taper["real"](_transform(_taper["cat"]([x, mirrored], last), last, inverse))
    return _scaled(x, count * n, norm, not inverse)


def _list(n):
    return None if n is None else (n,)


@_with_out
def fft(input, n=None, dim=-1, norm=None):
    """Transform along dim."""
    return _complex_to_complex(input, _list(n), (dim,), norm, False)


@_with_out
def ifft(input, n=None, dim=-1, norm=None):
    """Inverse transform along dim."""
    return _complex_to_complex(input, _list(n), (dim,), norm, True)


@_with_out
def rfft(input, n=None, dim=-1, norm=None):
    """The first half of the transform of real input, which holds all of it."""
    return _real_to_half(input, _list(n), (dim,), norm, "rfft")


@_with_out
def irfft(input, n=None, dim=-1, norm=None):
    """Inverse of rfft."""
    return _half_to_real(input, _list(n), (dim,), norm, "irfft")


@_with_out
def hfft(input, n=None, dim=-1, norm=None):
    """The real transform of a signal of which input is the first half, the other its mirror."""
    return _half_to_real(input, _list(n), (dim,), norm, "hfft", False)


@_with_out
def ihfft(input, n=None, dim=-1, norm=None):
    """Inverse of hfft."""
    return _real_to_half(input, _list(n), (dim,), norm, "ihfft", True)


@_with_out
def fftn(input, s=None, dim=None, norm=None):
    """Transform along several dimensions."""
    return _complex_to_complex(input, s, dim, norm, False)


@_with_out
def ifftn(input, s=None, dim=None, norm=None):
    """Inverse transform along several dimensions."""
    return _complex_to_complex(input, s, dim, norm, True)


@_with_out
def rfftn(input, s=None, dim=None, norm=None):
    """Transform of real input; the last dimension keeps its first half."""
    return _real_to_half(input, s, dim, norm, "rfftn")


@_with_out
def irfftn(input, s=None, dim=None, norm=None):
    """Inverse of rfftn."""
    return _half_to_real(input, s, dim, norm, "irfftn")


@_with_out
def hfftn(input, s=None, dim=None, norm=None):
    """The real transform of a signal given by half of its last dimension."""
    return _half_to_real(input, s, dim, norm, "hfftn", False)


@_with_out
def ihfftn(input, s=None, dim=None, norm=None):
    """Inverse of hfftn."""
    return _real_to_half(input, s, dim, norm, "ihfftn", True)


def fft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """Transform along two dimensions."""
    return fftn(input, s, dim, norm, out=out)


def ifft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """Inverse transform along two dimensions."""
    return ifftn(input, s, dim, norm, out=out)


def rfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """Transform of real input along two dimensions."""
    return rfftn(input, s, dim, norm, out=out)


def irfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """Inverse of rfft2."""
    return irfftn(input, s, dim, norm, out=out)


def hfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """The real transform of a signal given by half of its last dimension."""
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """Inverse of hfft2."""
    return ihfftn(input, s, dim, norm, out=out)


def fftfreq(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The n frequencies of fft for samples d apart, in cycles per unit of d."""
    places = list(range((n + 1) // 2)) + list(range(-(n // 2), 0))
    return _frequencies(places, n * d, out, dtype, requires_grad)


def rfftfreq(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """The n // 2 + 1 frequencies of rfft for samples d apart, in cycles per unit of d."""
    return _frequencies(list(range(n // 2 + 1)), n * d, out, dtype, requires_grad)


def _frequencies(places, length, out, dtype, requires_grad):
    from ._creation import tensor

    result = tensor(places, dtype=dtype or _C.get_default_dtype()) / length
    if out is not None:
        return out.resize_(result.shape).copy_(result)
    return result.requires_grad_(requires_grad)


def _shifted(x, dim, amount):
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = tuple(dims)
    return x.roll(tuple(amount(x.shape[d]) for d in dims), dims) if dims else x.clone()


def fftshift(input, dim=None):
    """Reordered so that frequency zero is in the middle."""
    return _shifted(input, dim, lambda n: n // 2)


def ifftshift(input, dim=None):
    """Inverse of fftshift."""
    return _shifted(input, dim, lambda n: (n + 1) // 2)
