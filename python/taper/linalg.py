"""Linear algebra, with PyTorch's names. Matrices are the last two dimensions, the others a batch."""

import functools
import math

from . import _C
from ._C import LinAlgError  # noqa: F401

globals().update(_C._homes.get("linalg", {}))
_taper = _C._homes["taper"]
_int = int


def _with_out(function):
    """function with PyTorch's out=, into which its results are copied."""

    @functools.wraps(function)
    def call(*args, out=None, **kwargs):
        result = function(*args, **kwargs)
        if out is not None:
            _C._write_out(out, result, function.__name__)
        return result if out is None else out

    return call


def _eps(dtype):
    return 2.0**-23 if dtype in (_C.float32, _C.complex64) else 2.0**-52


def _real_dtype(x):
    return {_C.complex64: _C.float32, _C.complex128: _C.float64}.get(x.dtype, x.dtype)


def _check_matrix(op, A):
    if A.ndim < 2:
        raise _C.ShapeError(f"{op}: The input tensor A must have at least 2 dimensions.")


def _check_square(op, A):
    _check_matrix(op, A)
    if A.shape[-1] != A.shape[-2]:
        raise _C.ShapeError(
            f"{op}: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )


def _check_floating(op, A):
    if not (A.is_floating_point() or A.is_complex()):
        raise _C.DTypeError(f"{op}: Expected a floating point or complex tensor as input. Got {A.dtype}")


def _wrapped_pair(op, A, dim):
    if len(dim) != 2:
        raise _C.Error(f"{op}: dim must be a 2-tuple. Got {tuple(dim)}")
    pair = [d + A.ndim if d < 0 else d for d in dim]
    for d, given in zip(pair, dim):
        if not 0 <= d < A.ndim:
            raise _C.IndexError(
                f"Dimension out of range (expected to be in range of [{-A.ndim}, {A.ndim - 1}], "
                f"but got {given})"
            )
    if pair[0] == pair[1]:
        raise _C.Error(f"{op}: dims must be different. Got {tuple(dim)}")
    return pair


def _largest(norms, dim, keepdim=False):
    """The largest along dim; 0 where there are none."""
    return norms.sum(dim, keepdim) if norms.shape[dim] == 0 else norms.amax(dim, keepdim)


@_with_out
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """Norms of matrices: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    op = "linalg.matrix_norm"
    _check_floating(op, A)
    _check_matrix(op, A)
    rows, columns = _wrapped_pair(op, A, dim)
    if dtype is not None:
        A = A.to(dtype)
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise _C.Error(f"{op}: Order {ord} not supported.")
        if ord == "fro":
            return vector_norm(A, 2, (rows, columns), keepdim)  # noqa: F821
    elif abs(ord) not in (1, 2, math.inf):
        raise _C.Error(f"{op}: Order {ord} not supported.")
    if ord == "nuc" or abs(ord) == 2:
        values = svdvals(A.movedim((rows, columns), (-2, -1)))  # noqa: F821
        result = values.sum(-1) if ord == "nuc" else _largest(values, -1) if ord > 0 else values.amin(-1)
        if keepdim:
            for d in sorted((rows, columns)):
                result = result.unsqueeze(d)
        return result
    over, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(A, 1, over, True)  # noqa: F821
    result = _largest(sums, other, True) if ord > 0 else sums.amin(other, True)
    return result if keepdim else result.squeeze((rows, columns))


@_with_out
def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """Vector norm of all elements without ord and dim; of vectors for one dim, of matrices for two."""
    if dim is not None and not isinstance(dim, _int) and len(dim) not in (1, 2):
        raise _C.Error(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if ord is not None and dim is None and A.ndim not in (1, 2):
        raise _C.Error(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    pair = (dim is not None and not isinstance(dim, _int) and len(dim) == 2) or (dim is None and A.ndim == 2)
    if ord is not None and (isinstance(ord, str) or pair):
        return matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)  # noqa: F821


@_with_out
def cond(A, p=None):
    """Condition numbers: norm(A, p) * norm(inv(A), p), for 2 and -2 by singular values."""
    _check_matrix("linalg.cond", A)
    if p is None or p in (2, -2):
        values = svdvals(A)  # noqa: F821
        if A.numel() == 0:
            return values.new_zeros(values.shape[:-1])
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    _check_square("linalg.cond", A)
    if A.numel() == 0:
        return A.real.new_zeros(A.shape[:-2])
    inverse, info = inv_ex(A)  # noqa: F821
    regular = info == 0
    if bool(regular.all()):
        return matrix_norm(A, p) * matrix_norm(inverse, p)
    inverse = _taper["where"](regular[..., None, None], inverse, _taper["zeros_like"](inverse))
    return _taper["where"](regular, matrix_norm(A, p) * matrix_norm(inverse, p), math.inf)


@_with_out
def matrix_power(A, n):
    """A multiplied with itself n times; the inverse's powers for negative n."""
    _check_square("linalg.matrix_power", A)
    if n < 0:
        A, n = inv(A), -n  # noqa: F821
    if n == 0:
        return _taper["eye"](A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape).clone()
    result = None
    while n:
        if n & 1:
            result = A if result is None else result @ A
        n >>= 1
        if n:
            A = A @ A
    return result.clone() if result is A else result


def _chain_order(sizes):
    """Where to split each run of factors for the fewest multiplications."""
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


@_with_out
def multi_dot(tensors):
    """Product of matrices in the order that costs least; the first and the last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise _C.Error(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for i, x in enumerate(tensors):
        ends = i in (0, len(tensors) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            raise _C.ShapeError(
                f"multi_dot(): tensor {i} must be {'1D or ' if ends else ''}2D but got {x.ndim}D"
            )
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if first:
        tensors[0] = tensors[0].unsqueeze(0)
    if last:
        tensors[-1] = tensors[-1].unsqueeze(1)
    for i, (a, b) in enumerate(zip(tensors, tensors[1:])):
        if a.shape[1] != b.shape[0]:
            raise _C.ShapeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and "
                f"{list(b.shape)} cannot be multiplied"
            )
    split = _chain_order([x.shape[0] for x in tensors] + [tensors[-1].shape[1]])

    def product(i, j):
        if i == j:
            return tensors[i]
        return product(i, split[i][j]) @ product(split[i][j] + 1, j)

    result = product(0, len(tensors) - 1)
    return result.reshape([size for size, gone in zip(result.shape, (first, last)) if not gone])


@_with_out
def cross(input, other, *, dim=-1):
    """Cross products of vectors of three elements along dim."""
    if input.ndim != other.ndim:
        raise _C.ShapeError("linalg.cross: inputs must have the same number of dimensions.")
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise _C.ShapeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and "
            f"{other.shape[dim]}"
        )
    input, other = _taper["broadcast_tensors"]([input, other])
    return (input.roll(-1, dim) * other.roll(-2, dim)) - (input.roll(-2, dim) * other.roll(-1, dim))


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of matrices, a view."""
    return _taper["diagonal"](A, offset, dim1, dim2)


@_with_out
def vecdot(x, y, *, dim=-1):
    """Sums of conj(x) * y over dim, broadcast."""
    return (x.conj() * y).sum(dim)


def vander(x, *, N=None):
    """Rows of the powers 0 to N - 1 of the elements of x."""
    x = x.reshape(1) if x.ndim == 0 else x
    count = x.shape[-1] if N is None else N
    if count <= 1 and N is not None:
        raise _C.Error(f"N must be greater than 1, but got {N}")
    dtype = x.dtype if x.dtype != _C.bool else _C.int64
    if not (x.is_floating_point() or x.is_complex()):
        dtype = _C.int64
    ones = _taper["ones"]((*x.shape, 1), dtype=dtype, device=x.device)
    powers = x.to(dtype).unsqueeze(-1).expand(*x.shape, max(count - 1, 0))
    return _taper["cat"]([ones, powers.cumprod(-1)], -1)


@_with_out
def householder_product(input, tau):
    """The first columns of the product of the reflections 1 - tau_i v_i v_i^H, v_i below the diagonal of
    input."""
    op = "linalg.householder_product"
    _check_matrix(op, input)
    m, n = input.shape[-2:]
    if m < n:
        raise _C.ShapeError(f"{op}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if n < tau.shape[-1]:
        raise _C.ShapeError(f"{op}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tuple(input.shape[:-2]) != tuple(tau.shape[:-1]):
        raise _C.ShapeError(
            f"{op}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{tuple(tau.shape[:-1])}"
        )
    eye = _taper["eye"](m, n, dtype=input.dtype, device=input.device)
    result = _reflected(input.tril(-1) + eye, tau, eye.expand(input.shape), reversed(range(tau.shape[-1])))
    return result.clone() if tau.shape[-1] == 0 else result


def _reflected(vectors, tau, x, order):
    """x multiplied from the left by the reflections 1 - tau_i v_i v_i^H in this order."""
    for i in order:
        v = vectors[..., i : i + 1]
        x = x - tau[..., i, None, None] * (v @ (v.mH @ x))
    return x


@_with_out
def ormqr(input, tau, other, left=True, transpose=False):
    """Q other, or other Q where not left; Q^H where transpose. Q [m, m] is the product of the reflections
    1 - tau_i v_i v_i^H, v_i below the diagonal of input [m, k]."""
    op = "ormqr"
    for name, x in (("input", input), ("other", other)):
        if x.ndim < 2:
            raise _C.ShapeError(f"{op}: {name} must have at least 2 dimensions, got shape {tuple(x.shape)}")
    size = other.shape[-2 if left else -1]
    if input.shape[-2] != size or tau.shape[-1] > min(input.shape[-2:]):
        raise _C.ShapeError(
            f"{op}: input {tuple(input.shape)} and tau {tuple(tau.shape)} do not fit other "
            f"{tuple(other.shape)}"
        )
    if tuple(tau.shape[:-1]) != tuple(input.shape[:-2]) or input.shape[:-2] != other.shape[:-2]:
        raise _C.ShapeError(
            f"{op}: batch dimensions of input {tuple(input.shape)}, tau {tuple(tau.shape)} and other "
            f"{tuple(other.shape)} must be the same"
        )
    if not input.dtype == tau.dtype == other.dtype:
        raise _C.DTypeError(f"{op}: needs one dtype, got {input.dtype}, {tau.dtype} and {other.dtype}")
    if not left:
        return ormqr(input, tau, other.mH, True, not transpose).mH
    vectors = input.tril(-1) + _taper["eye"](*input.shape[-2:], dtype=input.dtype, device=input.device)
    count = range(tau.shape[-1])
    if transpose:
        return _reflected(vectors, tau.conj(), other, count)
    return _reflected(vectors, tau, other, reversed(count))


@_with_out
def matrix_sqrth(A):
    """The symmetric (or Hermitian) positive square root of such a matrix, of which the lower triangle is
    read."""
    # Only symmetric changes of A are meant, so the gradient is that of its symmetric part.
    change = (A.mH - A) / 2
    values, vectors = eigh(A + (change - change.detach()))  # noqa: F821
    return (vectors * values.sqrt().unsqueeze(-2)) @ vectors.mH


@_with_out
def polar(A):
    """U with orthonormal columns and H, positive semidefinite, with A = U H: A [m, n], m >= n."""
    _check_matrix("linalg.polar", A)
    if A.shape[-2] < A.shape[-1]:
        raise _C.ShapeError(f"linalg.polar: expected m >= n, got shape {tuple(A.shape)}")
    U, S, Vh = svd(A, full_matrices=False)  # noqa: F821
    return _polar_type((U @ Vh, (Vh.mH * S.unsqueeze(-2)) @ Vh))


@_with_out
def lstsq(A, B, rcond=None, *, driver=None):
    """X of least |A X - B|, of least norm where several; with residuals, rank and singular values of A."""
    op = "linalg.lstsq"
    _check_matrix(op, A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise _C.Error(f"torch.{op}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    if A.dtype != B.dtype:
        raise _C.Error(
            f"torch.{op}: Expected input and other to have the same dtype, but got input's dtype "
            f"{A.dtype} and other's dtype {B.dtype}"
        )
    vector = A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1])
    right = B.unsqueeze(-1) if vector else B
    if right.ndim < 2 or right.shape[-2] != A.shape[-2]:
        raise _C.ShapeError(f"torch.{op}: input.size(-2) should match other.size({-1 if vector else -2})")
    driver = driver or "gelsy"
    m, n = A.shape[-2:]
    tolerance = _eps(A.dtype) * max(m, n) if rcond is None else rcond
    solution = pinv(A, rtol=tolerance) @ right  # noqa: F821
    real = A.new_empty(0, dtype=_real_dtype(A))
    values = svdvals(A.detach())  # noqa: F821
    rank = real.new_empty((0,), dtype=_C.int64)
    if driver != "gels":
        largest = values.amax(-1, True) if values.shape[-1] else values
        rank = (values > tolerance * largest).sum(-1)
    residuals = real.new_empty((0,))
    full = driver == "gels" or bool((rank == n).all())
    if m > n and full and driver != "gelsy":
        gap = A @ solution - right
        residuals = (gap.abs() ** 2).sum(-2)
    if driver in ("gels", "gelsy"):
        values = real.new_empty((0,))
    return _lstsq_type((solution.squeeze(-1) if vector else solution, residuals, rank, values))


def _named(name, fields):
    import collections

    made = collections.namedtuple(name, fields)
    made.__new__ = lambda cls, values: tuple.__new__(cls, values)
    return made


_lstsq_type = _named("linalg_lstsq", "solution residuals rank singular_values")
_polar_type = _named("linalg_polar", "U H")


@_with_out
def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A X = B (or A^H X = B, or X A = B) from what lu_factor gave of A."""
    _check_square("linalg.lu_solve", LU)
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    P = _taper["lu_unpack"](LU, pivots, False)[0]
    if adjoint:
        X = solve_triangular(LU.mH, B, upper=False)  # noqa: F821
        return P @ solve_triangular(LU.mH, X, upper=True, unitriangular=True)  # noqa: F821
    X = solve_triangular(LU, P.mT @ B, upper=False, unitriangular=True)  # noqa: F821
    return solve_triangular(LU, X, upper=True)  # noqa: F821


@_with_out
def tensorinv(A, ind=2):
    """The inverse of A seen as a square matrix of its first ind dimensions against the others."""
    if ind <= 0:
        raise _C.Error("Expected a strictly positive integer for 'ind'")
    head, tail = A.shape[:ind], A.shape[ind:]
    if math.prod(head) != math.prod(tail):
        raise _C.ShapeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(tail)} != {math.prod(head)}"
        )
    return inv(A.reshape(math.prod(head), -1 if A.numel() else 0)).reshape(*tail, *head)  # noqa: F821


@_with_out
def tensorsolve(A, B, dims=None):
    """X with tensordot(A, X, X.ndim) = B."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    result_shape = A.shape[B.ndim :]
    if math.prod(result_shape) != math.prod(A.shape[: B.ndim]):
        raise _C.ShapeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {math.prod(result_shape)} != "
            f"{math.prod(A.shape[: B.ndim])}"
        )
    return solve(A.reshape(-1, math.prod(result_shape)), B.flatten()).reshape(result_shape)  # noqa: F821


__all__ = sorted(name for name, value in globals().items() if not name.startswith("_") and callable(value))
