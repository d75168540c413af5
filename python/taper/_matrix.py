"""PyTorch's matrix functions outside of linalg, and windows; methods of Tensor where PyTorch has them."""

import collections
import math

from . import _C, linalg
from ._C import Tensor
from ._creation import _on
from .linalg import _with_out

_taper = _C._homes["taper"]

det, slogdet, inverse, pinverse = linalg.det, linalg.slogdet, linalg.inv, linalg.pinv
matrix_power, lu_unpack, orgqr = linalg.matrix_power, _taper["lu_unpack"], linalg.householder_product
ormqr = linalg.ormqr

_svd_type = collections.namedtuple("svd", "U S V")
_qr_type = collections.namedtuple("qr", "Q R")
_triangular_type = collections.namedtuple("triangular_solve", "solution cloned_coefficient")


def logdet(input):
    """Logarithms of determinants, NaN where they are negative."""
    sign, logarithm = slogdet(input)
    if input.is_complex():
        return sign.log() + logarithm
    return _taper["where"](sign == -1, math.nan, logarithm)


@_with_out
def cholesky(input, upper=False):
    """Cholesky factors, as linalg.cholesky."""
    return linalg.cholesky(input, upper=upper)


@_with_out
def cholesky_solve(input, L, upper=False):
    """X with A X = input, from a Cholesky factor of A."""
    lower = L.mH if upper else L
    middle = linalg.solve_triangular(lower, input, upper=False)
    return linalg.solve_triangular(lower.mH, middle, upper=True)


@_with_out
def cholesky_inverse(L, upper=False):
    """The inverse of A, from a Cholesky factor of A."""
    linalg._check_square("cholesky_inverse", L)
    return cholesky_solve(_taper["eye"](L.shape[-1], dtype=L.dtype, device=L.device), L, upper)


@_with_out
def qr(input, some=True):
    """Q and R, as linalg.qr with mode "reduced", or "complete" where not some."""
    return _qr_type(*linalg.qr(input, "reduced" if some else "complete"))


@_with_out
def svd(input, some=True, compute_uv=True):
    """U, S, V with input = U diag(S) V^H."""
    if not compute_uv:
        m, n = input.shape[-2:]
        batch = input.shape[:-2]
        zeros = _taper["zeros"]
        return _svd_type(
            zeros((*batch, m, m), dtype=input.dtype),
            linalg.svdvals(input),
            zeros((*batch, n, n), dtype=input.dtype),
        )
    U, S, Vh = linalg.svd(input, full_matrices=not some)
    return _svd_type(U, S, Vh.mH)


@_with_out
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """X with A X = input for triangular A, and a copy of A."""
    if input.ndim < 2 or A.ndim < 2:
        raise _C.ShapeError(
            "torch.triangular_solve: Expected b and A to have at least 2 dimensions, but they have "
            f"{input.ndim} and {A.ndim} dimensions instead"
        )
    factor = A.mT if transpose else A
    solution = linalg.solve_triangular(
        factor, input, upper=bool(upper) != bool(transpose), unitriangular=unitriangular
    )
    batch = solution.shape[:-2]
    return _triangular_type(solution, A.expand((*batch, *A.shape[-2:])).clone())


@_with_out
def kron(input, other):
    """The Kronecker product."""
    ndim = max(input.ndim, other.ndim)
    a = (1,) * (ndim - input.ndim) + tuple(input.shape)
    b = (1,) * (ndim - other.ndim) + tuple(other.shape)
    left = input.reshape([n for size in a for n in (size, 1)])
    right = other.reshape([n for size in b for n in (1, size)])
    return (left * right).reshape([m * n for m, n in zip(a, b)])


def trace(input):
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise _C.ShapeError("trace: expected a matrix, but got tensor with dim " + str(input.ndim))
    return input.diagonal().sum()


def dist(input, other, p=2):
    """The p-norm of the difference."""
    difference = input - other
    return linalg.vector_norm(difference, p)


def _pairwise(x1, x2, p):
    difference = (x1.unsqueeze(-2) - x2.unsqueeze(-3)).abs()
    if p == 0:
        return (difference != 0).to(x1.dtype).sum(-1)
    return linalg.vector_norm(difference, p, -1)


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """Distances in the p-norm between the rows of two batches of matrices."""
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise _C.ShapeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
        if not x.is_floating_point():
            raise _C.DTypeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}")
    if x1.shape[-1] != x2.shape[-1]:
        raise _C.ShapeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise _C.ValueError("cdist only supports non-negative p values")
    return _pairwise(x1, x2, p)


def chain_matmul(*matrices, out=None):
    """The product of matrices, in the order that costs least."""
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = matrices[0]
    return matrices[0] if len(matrices) == 1 else linalg.multi_dot(matrices, out=out)


@_with_out
def tensordot(a, b, dims=2):
    """Sums of products over pairs of dimensions: the last of a against the first of b, or those named."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise _C.Error(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise _C.Error(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    over_a, over_b = (
        [d % x.ndim for d in ([group] if isinstance(group, int) else group)] for x, group in zip((a, b), dims)
    )
    if len(over_a) != len(over_b):
        raise _C.Error("both dimension lists should have same length")
    for i, j in zip(over_a, over_b):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise _C.ShapeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and "
                f"second has size {b.shape[j]} in dim {j}"
            )
        if a.shape[i] != b.shape[j]:
            a = a.sum(i, True, dtype=a.dtype) if a.shape[i] != 1 else a
            b = b.sum(j, True, dtype=b.dtype) if b.shape[j] != 1 else b
    free_a = [i for i in range(a.ndim) if i not in over_a]
    free_b = [j for j in range(b.ndim) if j not in over_b]
    inner = math.prod(a.shape[i] for i in over_a)
    left = a.permute((*free_a, *over_a)).reshape(math.prod(a.shape[i] for i in free_a), inner)
    right = b.permute((*over_b, *free_b)).reshape(inner, math.prod(b.shape[j] for j in free_b))
    return (left @ right).reshape([a.shape[i] for i in free_a] + [b.shape[j] for j in free_b])


def _check_weights(name, weights, count):
    if weights is None:
        return
    whole = not (weights.is_floating_point() or weights.is_complex())
    if weights.ndim > 1:
        raise _C.ShapeError(f"cov(): expected {name} to have one or fewer dimensions but got {weights.ndim}")
    if whole != (name == "fweights"):
        kind = "integral" if name == "fweights" else "floating point"
        raise _C.DTypeError(f"cov(): expected {name} to have {kind} dtype but got {weights.dtype}")
    if weights.numel() != count:
        raise _C.ShapeError(f"cov(): expected {name} to have {count} elements but got {weights.numel()}")
    if bool((weights < 0).any()):
        raise _C.ValueError(f"cov(): {name} cannot be negative")


def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances of the rows, which are variables, over the columns, which are observations."""
    if input.ndim > 2:
        raise _C.ShapeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    x = input.reshape(1, -1) if input.ndim < 2 else input
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(_C.get_default_dtype())
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        _check_weights(name, given, x.shape[1])
    weights = fweights
    if aweights is not None:
        weights = aweights if fweights is None else fweights * aweights
    if weights is None:
        total = x.shape[1]
        mean = x.mean(1, True)
        factor = total - correction
        centered = x - mean
        product = centered @ centered.mH
    else:
        total = weights.sum()
        mean = (x * weights).sum(1, True) / total
        factor = (
            total - correction
            if aweights is None or correction == 0
            else (total - correction * (weights * aweights).sum() / total)
        )
        centered = x - mean
        product = (centered * weights) @ centered.mH
    if not isinstance(factor, Tensor):
        factor = max(factor, 0)
        result = product / factor if factor else product * math.inf
    else:
        result = product / factor.clamp(min=0)
    return result.squeeze()


def corrcoef(input):
    """Correlation coefficients of the rows."""
    if input.ndim > 2:
        raise _C.ShapeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    covariance = cov(input)
    if covariance.ndim == 0:
        return covariance / covariance
    deviation = (
        _taper["real"](covariance.diagonal()).sqrt()
        if covariance.is_complex()
        else covariance.diagonal().sqrt()
    )
    result = covariance / deviation.unsqueeze(-1) / deviation.unsqueeze(-2)
    return result if result.is_complex() else result.clamp(-1, 1)


@_with_out
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta * input + alpha * the sum of the products of a batch."""
    product = _taper["bmm"](batch1, batch2).sum(0)
    return alpha * product if beta == 0 else beta * input + alpha * product


@_with_out
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta * input + alpha * the outer product of two vectors."""
    product = _taper["outer"](vec1, vec2)
    return alpha * product if beta == 0 else beta * input + alpha * product


ger = _taper["outer"]


@_with_out
def vdot(input, other):
    """Sum of the products of conj(input) and other, two vectors."""
    return _taper["dot"](input.conj() if input.is_complex() else input, other)


@_with_out
def inner(input, other):
    """Sums of products over the last dimensions."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise _C.ShapeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@_with_out
def cross(input, other, dim=None):
    """Cross products along dim, or along the first dimension of three elements."""
    if dim is None:
        dim = next((i for i, size in enumerate(input.shape) if size == 3), None)
        if dim is None:
            raise _C.ShapeError(
                f"linalg.cross: no dimension of size 3 in input of shape {tuple(input.shape)}"
            )
    return linalg.cross(input, other, dim=dim)


@_with_out
def lu_solve(b, LU_data, LU_pivots):
    """X with A X = b, from what lu_factor gave of A."""
    return linalg.lu_solve(LU_data, LU_pivots, b)


def lu(A, pivot=True, get_infos=False, out=None):
    """L and U in one matrix and the exchanges of rows, as linalg.lu_factor; with get_infos also its info."""
    if get_infos:
        return linalg.lu_factor_ex(A, pivot=pivot, out=out)
    return linalg.lu_factor(A, pivot=pivot, out=out)


def _basis(A, q, niter):
    """Orthonormal columns that span most of A's range: Halko et al. 2009, arXiv:0909.4061, algorithm 4.4."""
    Q = linalg.qr(A @ _taper["randn"](A.shape[-1], q, dtype=A.dtype, device=A.device))[0]
    for _ in range(niter):
        Q = linalg.qr(A.mH @ Q)[0]
        Q = linalg.qr(A @ Q)[0]
    return Q


def svd_lowrank(A, q=6, niter=2, M=None):
    """U, S, V of a matrix of rank about q (of A - M), by random projections: Halko et al. 2009, algorithm
    5.1."""
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    A = A if M is None else A - M
    if not 0 <= q <= min(A.shape[-2:]) or niter < 0:
        raise _C.ValueError(
            f"svd_lowrank: q = {q} and niter = {niter} must not be negative, and q at most the smaller size "
            f"of {tuple(A.shape)}"
        )
    wide = A.shape[-2] < A.shape[-1]
    A = A.mH if wide else A
    Q = _basis(A, q, niter)
    U, S, Vh = linalg.svd(Q.mH @ A, full_matrices=False)
    U, V = Q @ U, Vh.mH
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A, q=None, center=True, niter=2):
    """U, S, V of the rows of A, centered: V holds the q principal directions."""
    q = min(6, *A.shape[-2:]) if q is None else q
    return svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)


def frobenius_norm(input, dim, keepdim=False):
    """The root of the sum of squares over one or two dimensions."""
    return linalg.vector_norm(input, 2, dim or None, keepdim)


def nuclear_norm(input, dim=(-2, -1), keepdim=False):
    """The sum of singular values."""
    return linalg.matrix_norm(input, "nuc", dim, keepdim)


def norm_except_dim(v, pow=2, dim=0):
    """Norms over all dimensions but one, which keep their dimensions; of all elements for dim -1."""
    if dim == -1:
        return linalg.vector_norm(v, pow)
    return linalg.vector_norm(v, pow, [d for d in range(v.ndim) if d != dim % v.ndim], True)


def pdist(input, p=2.0):
    """Distances in the p-norm between each two rows of a matrix."""
    if input.ndim != 2:
        raise _C.ShapeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.is_floating_point():
        raise _C.DTypeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise _C.ValueError("pdist only supports non-negative p values")
    first, second = _taper["triu_indices"](input.shape[0], input.shape[0], 1).unbind(0)
    difference = (input[first] - input[second]).abs()
    if p == 0:
        return (difference != 0).to(input.dtype).sum(-1)
    return linalg.vector_norm(difference, p, -1)


def vander(x, N=None, increasing=False):
    """Rows of powers of the elements of a vector, falling unless increasing."""
    if x.ndim != 1:
        raise _C.ShapeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    powers = _taper["arange"](count, device=x.device)
    result = x.unsqueeze(-1) ** powers
    return result if increasing else result.flip(-1)


def _window(name, size, periodic, dtype, device, requires_grad, values):
    if size < 0:
        raise _C.ValueError(f"{name}: requires non-negative window_length, got window_length={size}")
    dtype = dtype or _C.get_default_dtype()
    if not dtype.is_floating_point:
        raise _C.DTypeError(f"{name}: expects floating point dtypes, got: {dtype}")
    if size <= 1:
        result = _taper["ones"](size, dtype=dtype)
    else:
        places = _taper["arange"](size, dtype=_C.float64) / (size if periodic else size - 1)
        result = values(places).to(dtype)
    return _on(device, result).requires_grad_(requires_grad)


def _cosine(places, terms):
    """Sum of the terms a_k cos(2 pi k t) with alternating signs."""
    return sum((-1) ** k * a * (2 * math.pi * k * places).cos() for k, a in enumerate(terms))


def hann_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """sin^2 window."""
    return _window(
        "hann_window", window_length, periodic, dtype, device, requires_grad, lambda t: _cosine(t, (0.5, 0.5))
    )


def hamming_window(
    window_length,
    periodic=True,
    alpha=0.54,
    beta=0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """alpha - beta cos window."""
    return _window(
        "hamming_window",
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
        lambda t: _cosine(t, (alpha, beta)),
    )


def blackman_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Blackman's window."""
    return _window(
        "blackman_window",
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
        lambda t: _cosine(t, (0.42, 0.5, 0.08)),
    )


def bartlett_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Triangular window."""
    return _window(
        "bartlett_window",
        window_length,
        periodic,
        dtype,
        device,
        requires_grad,
        lambda t: 1 - (2 * t - 1).abs(),
    )


def _bessel0(x):
    """The modified Bessel function of order 0, by its power series, for a tensor of float64."""
    term = total = _taper["ones_like"](x)
    largest = float(x.abs().max()) if x.numel() else 0.0
    for k in range(1, int(largest * 2) + 40):
        term = term * (x / (2 * k)) ** 2
        total = total + term
    return total


def kaiser_window(
    window_length,
    periodic=True,
    beta=12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Kaiser's window."""

    def values(t):
        return _bessel0(beta * (1 - (2 * t - 1) ** 2).clamp(min=0).sqrt()) / _bessel0(
            _taper["full"]((), float(beta), dtype=_C.float64)
        )

    return _window("kaiser_window", window_length, periodic, dtype, device, requires_grad, values)


def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """Transforms of windowed pieces of a signal: [..., frequencies, frames]."""
    from . import fft

    hop_length, win_length = hop_length or n_fft // 4, win_length or n_fft
    _check_frames("stft", n_fft, hop_length, win_length, window)
    if input.ndim not in (1, 2):
        raise _C.Error(f"stft: expected a 1D or 2D tensor, got shape {tuple(input.shape)}")
    complex_input = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not complex_input:
        raise _C.Error(
            "stft requires the return_complex parameter be given for real inputs, and will further require "
            "that return_complex=True in a future PyTorch release."
        )
    x = input.unsqueeze(0) if input.ndim == 1 else input
    if center:
        pad = _C._homes["nn.functional"]["pad"]
        x = pad(x.unsqueeze(1), (n_fft // 2, n_fft // 2), pad_mode).squeeze(1)
    if not 0 < n_fft <= x.shape[-1]:
        raise _C.Error(f"stft: expected 0 < n_fft < {x.shape[-1]}, but got n_fft={n_fft}")
    frames = x.unfold(-1, n_fft, hop_length)
    if window is not None or win_length < n_fft:
        frames = frames * _framed(window, win_length, n_fft, input)
    onesided = not complex_input if onesided is None else onesided
    if onesided and complex_input:
        raise _C.Error("Cannot have onesided output if window or input is complex")
    transform = fft.rfft if onesided else fft.fft
    result = transform(frames, norm="ortho" if normalized else None).transpose(-1, -2)
    result = result.squeeze(0) if input.ndim == 1 else result
    return _taper["view_as_real"](result) if return_complex is False else result


def _check_frames(op, n_fft, hop_length, win_length, window):
    if hop_length <= 0:
        raise _C.Error(f"{op}: expected hop_length > 0, but got hop_length={hop_length}")
    if not 0 < win_length <= n_fft:
        raise _C.Error(f"{op}: expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is not None and (window.ndim != 1 or window.shape[0] != win_length):
        raise _C.Error(
            f"{op}: expected a 1D window tensor of size equal to win_length={win_length}, but got window "
            f"with size {tuple(window.shape)}"
        )


def _framed(window, win_length, n_fft, like):
    """The window, or ones, in the middle of n_fft zeros."""
    dtype = linalg._real_dtype(like)
    window = _taper["ones"](win_length, dtype=dtype, device=like.device) if window is None else window
    left = (n_fft - win_length) // 2
    return _taper["cat"]([window.new_zeros(left), window, window.new_zeros(n_fft - win_length - left)])


def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """The signal of which stft gave input, by least squares."""
    from . import fft

    hop_length, win_length = hop_length or n_fft // 4, win_length or n_fft
    _check_frames("istft", n_fft, hop_length, win_length, window)
    if not input.is_complex():
        raise _C.Error(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    x = (input.unsqueeze(0) if input.ndim == 2 else input).transpose(-1, -2)
    onesided = x.shape[-1] != n_fft if onesided is None else onesided
    norm = "ortho" if normalized else None
    if return_complex and onesided:
        raise _C.Error("istft: cannot have onesided output if window or input is complex")
    if return_complex:
        frames = fft.ifft(x, n_fft, norm=norm)
    else:  # a real signal is told by half of its frequencies
        frames = fft.irfft(x[..., : n_fft // 2 + 1], n_fft, norm=norm)
    weights = _framed(window, win_length, n_fft, input)
    frames = frames * weights
    total = n_fft + hop_length * (x.shape[-2] - 1)
    starts = _taper["arange"](x.shape[-2], device=x.device).unsqueeze(-1) * hop_length
    places = (starts + _taper["arange"](n_fft, device=x.device)).flatten()
    batch = frames.shape[0]
    signal = frames.new_zeros((batch, total)).index_add(1, places, frames.reshape(batch, -1))
    squares = (weights * weights).expand(x.shape[-2], n_fft).flatten()
    envelope = squares.new_zeros((total,)).index_add(0, places, squares)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - (n_fft // 2 if center else 0)
    signal, envelope = signal[:, start:end], envelope[start:end]
    if bool((envelope.abs() < 1e-11).any()):
        raise _C.Error(
            "istft: window overlap add min: 1, which is not allowed: the window leaves samples out"
        )
    signal = signal / envelope
    if length is not None and signal.shape[-1] < length:
        signal = _taper["cat"]([signal, signal.new_zeros((batch, length - signal.shape[-1]))], -1)
    return signal.squeeze(0) if input.ndim == 2 else signal


__all__ = [
    _name
    for _name, _value in globals().items()
    if not _name.startswith("_") and callable(_value) and _name not in ("Tensor",) and _name not in _taper
]
