"""Windows of M points, which taper towards both ends; sym=False makes one that repeats with period M.

All take dtype, a floating type (default: the default dtype), and requires_grad.
"""

import math

from .. import _C

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming",
    "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip

_taper = _C._homes["taper"]


def _window(name, M, values, dtype, layout, device, requires_grad):
    """The tensor of values(points) with points 0 to M - 1 in float64."""
    if M < 0:
        raise _C.ValueError(f"{name}: requires non-negative window length, got M={M}")
    if layout not in (None, "strided"):
        raise _C.ValueError(f"{name}: is implemented for strided tensors only, got: {layout}")
    dtype = dtype or _C.get_default_dtype()
    if dtype not in (_C.float32, _C.float64):
        raise _C.ValueError(f"{name}: expects float32 or float64 dtypes, got: {dtype}")
    result = values(_taper["arange"](M, dtype=_C.float64, device=device)).to(dtype)
    return result.requires_grad_(requires_grad)


def _steps(M, sym):
    """Distances between the first point and the one at which the window is the same again."""
    return M - 1 if sym or M <= 1 else M


def bartlett(M, *, sym=True, dtype=None, layout="strided", device=None, requires_grad=False):
    """A triangle: 1 - |2 n / (M - 1) - 1|."""
    steps = max(_steps(M, sym), 1)

    def values(n):
        return 1 - (2 * n / steps - 1).abs() if M > 1 else n + 1

    return _window("bartlett", M, values, dtype, layout, device, requires_grad)


def general_cosine(M, *, a, sym=True, dtype=None, layout="strided", device=None, requires_grad=False):
    """The sum of (-1)^i a_i cos(2 pi i n / (M - 1))."""
    if isinstance(a, (int, float)):
        raise TypeError("general_cosine: coefficients must be a list or tuple")
    a = [float(weight) for weight in a]
    if not a:
        raise _C.ValueError("general_cosine: coefficients cannot be empty")
    angle = 2 * math.pi / max(_steps(M, sym), 1)

    def values(n):
        if M == 1:
            return n + 1
        return sum((-1) ** i * weight * (i * angle * n).cos() for i, weight in enumerate(a))

    return _window("general_cosine", M, values, dtype, layout, device, requires_grad)


def general_hamming(M, *, alpha=0.54, **options):
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return general_cosine(M, a=(alpha, 1 - alpha), **options)


def hamming(M, **options):
    """Hamming's window: general_hamming with alpha 0.54."""
    return general_hamming(M, **options)


def hann(M, **options):
    """Hann's window: general_hamming with alpha 0.5."""
    return general_hamming(M, alpha=0.5, **options)


def blackman(M, **options):
    """Blackman's window, a sum of three cosines."""
    return general_cosine(M, a=(0.42, 0.5, 0.08), **options)


def nuttall(M, **options):
    """The minimum 4-term Blackman-Harris window of Nuttall (1981)."""
    return general_cosine(M, a=(0.3635819, 0.4891775, 0.1365995, 0.0106411), **options)


def cosine(M, *, sym=True, dtype=None, layout="strided", device=None, requires_grad=False):
    """Half a sine wave: sin(pi (n + 1/2) / M)."""
    period = M if sym or M <= 1 else M + 1

    def values(n):
        return ((n + 0.5) * math.pi / max(period, 1)).sin()

    return _window("cosine", M, values, dtype, layout, device, requires_grad)


def exponential(
    M, *, center=None, tau=1.0, sym=True, dtype=None, layout="strided", device=None, requires_grad=False
):
    """exp(-|n - center| / tau); the center may be chosen where not sym."""
    if tau <= 0:
        raise _C.ValueError(f"exponential: tau must be positive, got: {tau}")
    if sym and center is not None:
        raise _C.ValueError("exponential: center must be None for symmetric windows")
    middle = _steps(M, sym) / 2 if center is None else center

    def values(n):
        return (-(n - middle).abs() / tau).exp()

    return _window("exponential", M, values, dtype, layout, device, requires_grad)


def gaussian(M, *, std=1.0, sym=True, dtype=None, layout="strided", device=None, requires_grad=False):
    """exp(-((n - middle) / std)^2 / 2)."""
    if std <= 0:
        raise _C.ValueError(f"gaussian: standard deviation must be positive, got: {std}")
    middle = _steps(M, sym) / 2

    def values(n):
        return (-(((n - middle) / std) ** 2) / 2).exp()

    return _window("gaussian", M, values, dtype, layout, device, requires_grad)


def kaiser(M, *, beta=12.0, sym=True, dtype=None, layout="strided", device=None, requires_grad=False):
    """Kaiser's window: i0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / i0(beta)."""
    if beta < 0:
        raise _C.ValueError(f"kaiser: beta must be non-negative, got: {beta}")
    steps = max(_steps(M, sym), 1)

    def values(n):
        if M == 1:
            return n + 1
        inside = (1 - (2 * n / steps - 1) ** 2).clamp(min=0).sqrt()
        return _taper["i0"](beta * inside) / _taper["i0"](_taper["full"]((), float(beta), dtype=_C.float64))

    return _window("kaiser", M, values, dtype, layout, device, requires_grad)
