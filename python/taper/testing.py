"""Comparing tensors in tests."""

import math
from collections.abc import Mapping, Sequence

from . import _C
from ._creation import as_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

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

    Tensors, numbers, arrays, and sequences and mappings of them. rtol and atol are given together or not at
    all; they default to those of the element type. A TypeError says that the two are not of one kind.
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
        _compare(actual, expected, rtol, atol, equal_nan, check_device, check_dtype, check_stride, msg)
        return
    for one, other in pairs:
        assert_close(
            one,
            other,
            rtol=rtol,
            atol=atol,
            equal_nan=equal_nan,
            check_device=check_device,
            check_dtype=check_dtype,
            check_stride=check_stride,
            msg=msg,
        )


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """assert_close by its name of old: NaN equals NaN, and dtypes may differ."""
    assert_close(
        as_tensor(actual),
        as_tensor(expected),
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=False,
        check_dtype=False,
        msg=msg or None,
    )


def _range_of(dtype):
    if dtype == _C.bool:
        return 0, 2
    if dtype.is_floating_point or dtype.is_complex:
        return -9, 9
    return (0, 10) if str(dtype).startswith("taper.uint") else (-9, 10)


def make_tensor(
    *shape,
    dtype,
    device="cpu",
    low=None,
    high=None,
    requires_grad=False,
    noncontiguous=False,
    exclude_zero=False,
    memory_format=None,
):
    """A tensor of uniform random numbers in [low, high): by default -9 to 9, 0 to 9, or both bools.

    noncontiguous: every second element of a larger one, if there is more than one; exclude_zero: zeros become
    the smallest number above zero. Throws ValueError for low >= high, gradients of integers, and both
    noncontiguous and memory_format.
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        (shape,) = shape
    if noncontiguous and memory_format is not None:
        raise _C.ValueError("make_tensor: noncontiguous and memory_format can't be combined")
    least, most = _range_of(dtype)
    low, high = least if low is None else low, most if high is None else high
    if low >= high:
        raise _C.ValueError(f"make_tensor: low must be less than high, but got {low} >= {high}")
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise _C.ValueError(f"make_tensor: only floating and complex tensors require grad, got {dtype}")
    made = _random(_spread(tuple(shape), noncontiguous), dtype, device, low, high)
    if exclude_zero:
        made[made == 0] = _smallest(dtype)
    if noncontiguous and made.numel() > 1:
        made = made[..., ::2]
    if memory_format is not None:
        made = made.clone(memory_format=memory_format)
    return made.requires_grad_() if requires_grad else made


def _spread(shape, noncontiguous):
    return shape[:-1] + (2 * shape[-1],) if noncontiguous and shape and shape[-1] else shape


def _random(shape, dtype, device, low, high):
    ops = _C._homes["taper"]
    if dtype.is_complex:
        real = _C.float64 if dtype == _C.complex128 else _C.float32
        parts = ops["empty"]((*shape, 2), dtype=real, device=device).uniform_(low, high)
        return ops["view_as_complex"](parts)
    if dtype.is_floating_point:
        return ops["empty"](shape, dtype=dtype, device=device).uniform_(low, high).clamp_(low, high)
    whole = ops["randint"](math.floor(low), math.ceil(high), shape, device=device)
    return whole.to(dtype)


def _smallest(dtype):
    from ._info import finfo

    return finfo(dtype).tiny if dtype.is_floating_point or dtype.is_complex else 1


def _is_sequence(value):
    return isinstance(value, Sequence) and not isinstance(value, str)


def _require(ok, text, msg):
    if not ok:
        raise AssertionError(msg(text) if callable(msg) else msg or text)


def _compare(actual, expected, rtol, atol, equal_nan, check_device, check_dtype, check_stride, msg):
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
        not check_device or a.device == b.device,
        f"The values for attribute 'device' do not match: {a.device} != {b.device}.",
        msg,
    )
    if a.device != b.device:
        a, b = a.cpu(), b.cpu()
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
    isclose = _C._homes["taper"]["isclose"]
    close = a == b if a.dtype == _C.bool else isclose(a, b, rtol, atol, equal_nan)
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
