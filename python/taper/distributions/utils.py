"""What PyTorch's programs import to write distributions of their own."""

import functools
import math

from .. import _C
from .discrete import _logits_of
from .distribution import _ops, broadcast_all

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "euler_constant",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060


def clamp_probs(probs):
    """probs moved away from 0 and 1 by the spacing of floats at one."""
    eps = 2.0**-52 if probs.dtype is _C.float64 else 2.0**-23
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Logarithms of probabilities [..., classes]; of the odds if is_binary."""
    return _logits_of(probs, is_binary)


def logits_to_probs(logits, is_binary=False):
    """softmax of logits [..., classes]; their sigmoid if is_binary."""
    return logits.sigmoid() if is_binary else _ops["softmax"](logits, -1)


class lazy_property(functools.cached_property):
    """A property that is computed, with gradients, when it is first asked for."""

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        enabled = _C.is_grad_enabled()
        _C._set_grad_enabled(True)
        try:
            return super().__get__(instance, owner)
        finally:
            _C._set_grad_enabled(enabled)


def _inside(size, diag, device):
    return _ops["ones"]((size, size), dtype=_C.bool, device=device).tril(diag)


def tril_matrix_to_vec(mat, diag=0):
    """The elements of [..., n, n] on and below diagonal diag, row by row."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat[..., _inside(n, diag, mat.device)]


def vec_to_tril_matrix(vec, diag=0):
    """[..., n, n] with the elements of vec on and below diagonal diag, row by row, and zeros above."""
    count, above = vec.shape[-1], max(diag, 0)
    # n(n + 1) / 2 + n diag elements, less the corner that reaches out of the matrix on the right.
    root = math.sqrt((1 + 2 * diag) ** 2 + 8 * count + 4 * above * (above + 1))
    n = round((root - (1 + 2 * diag)) / 2)
    if _inside(n, diag, None).sum().item() != count:
        raise ValueError(
            f"The size of last dimension is {count} which cannot be expressed as the lower triangular part "
            "of a square D x D matrix."
        )
    matrix = vec.new_zeros(tuple(vec.shape[:-1]) + (n, n))
    matrix[..., _inside(n, diag, vec.device)] = vec
    return matrix
