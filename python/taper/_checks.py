"""torch._check and its kind: conditions that programs state."""

from . import _C


def _checked(name, error):
    def check(cond, message=None):
        if not isinstance(cond, bool):
            raise TypeError(f"cond must be a bool, but got {type(cond)}")
        if cond:
            return
        if message is None:
            raise error("Expected cond to be True, but got False.")
        raise error(str(message() if callable(message) else message))

    check.__name__ = check.__qualname__ = name
    check.__doc__ = (
        f"Throws {error.__name__} with message, a text or a function that gives one, unless cond is true."
    )
    return check


_check = _checked("_check", RuntimeError)
_check_index = _checked("_check_index", IndexError)
_check_value = _checked("_check_value", ValueError)
_check_type = _checked("_check_type", TypeError)
_check_not_implemented = _checked("_check_not_implemented", NotImplementedError)


def _check_is_size(i, message=None, *, max=None):
    """Throws RuntimeError unless i may be a size: 0 <= i, and i <= max where it is given."""
    _check(bool(i >= 0), message)
    if max is not None:
        _check(bool(i <= max), message)


def _assert_async(input, assert_msg="Expected Tensor with single nonzero value, but got zero"):
    """Throws RuntimeError where the one element of input is zero."""
    if input.numel() != 1:
        raise _C.ShapeError(f"_assert_async: expected one element, got shape {tuple(input.shape)}")
    if not input.item():
        raise RuntimeError(assert_msg)
