"""Comparing tensors in tests."""

from collections.abc import Mapping, Sequence

from . import _C
from ._creation import as_tensor

__all__ = ["assert_close"]

# (rtol, atol) of each element type; every other type must be equal.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses=True,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_device=True,
    check_dtype=True,
    check_layout=True,
    check_stride=False,
    msg=None,
):
    """Raises AssertionError unless |actual - expected| <= atol + rtol * |expected| for every element.

    Tensors, numbers, arrays, and sequences and mappings of them. rtol and atol are given together or not at all; they
    default to those of the element type. A TypeError says that the two are not of one kind.
    """
    if (rtol is None) != (atol is None):
        raise _C.ValueError("assert_close: rtol and atol must be given both or neither")
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _require(
            actual.keys() == expected.keys(), f"the keys differ: {list(actual)} and {list(expected)}", msg
        )
        pairs = [(actual[key], expected[key]) for key in actual]
    elif _is_sequence(actual) and _is_sequence(expected):
        _require(len(actual) == len(expected), f"the lengths differ: {len(actual)} and {len(expected)}", msg)
        pairs = list(zip(actual, expected))
    else:
        _compare(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride, msg)
        return
    for one, other in pairs:
        assert_close(
            one,
            other,
            rtol=rtol,
            atol=atol,
            equal_nan=equal_nan,
            check_dtype=check_dtype,
            check_stride=check_stride,
            msg=msg,
        )


def _is_sequence(value):
    return isinstance(value, Sequence) and not isinstance(value, str)


def _require(ok, text, msg):
    if not ok:
        raise AssertionError(msg(text) if callable(msg) else msg or text)


def _compare(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride, msg):
    if isinstance(actual, _C.Tensor) != isinstance(expected, _C.Tensor):
        raise TypeError(
            f"assert_close: got {type(actual).__name__} and {type(expected).__name__}, expected two of a kind"
        )
    numbers = not isinstance(actual, _C.Tensor)
    a, b = as_tensor(actual).detach(), as_tensor(expected).detach()
    if numbers and a.dtype != b.dtype:
        check_dtype = False
    _require(
        a.shape == b.shape, f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}.", msg
    )
    _require(
        not check_dtype or a.dtype == b.dtype,
        f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}.",
        msg,
    )
    _require(
        not check_stride or a.stride() == b.stride(),
        f"The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}.",
        msg,
    )
    if rtol is None:
        limits = [_TOLERANCES.get(str(t.dtype).split(".")[-1], (0.0, 0.0)) for t in (a, b)]
        rtol, atol = (max(pair) for pair in zip(*limits))
    _require(*_mismatch(a, b, rtol, atol, equal_nan), msg)


def _mismatch(a, b, rtol, atol, equal_nan):
    dtype = _C.promote_types(a.dtype, b.dtype)
    a, b = a.to(dtype), b.to(dtype)
    if a.dtype == _C.bool:
        close = a == b
    else:
        close = _C._homes["taper"]["isclose"](a, b, rtol, atol, equal_nan)
    wrong = int((~close).sum())
    if wrong == 0:
        return True, ""
    if a.dtype == _C.bool:
        return False, f"Tensor-likes are not equal!\n\nMismatched elements: {wrong} / {a.numel()}"
    difference = (a.to(_C.float64) - b.to(_C.float64)).abs() if not a.is_complex() else (a - b).abs()
    return False, (
        f"Tensor-likes are not close!\n\nMismatched elements: {wrong} / {a.numel()} "
        f"({100 * wrong / a.numel():.1f}%)\nGreatest absolute difference: {float(difference.max())} "
        f"(up to {atol} allowed, with rtol {rtol})"
    )
