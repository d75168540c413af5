"""Small questions about tensors, and settings of PyTorch that have one answer here."""

from ._C import Tensor


def typename(obj):
    """The name of an object's type with its module; of a tensor, that of its type()."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None)
    return kind.__qualname__ if module in (None, "builtins") else f"{module}.{kind.__qualname__}"


def is_nonzero(input):
    """Whether the only element is not zero. Throws RuntimeError for any other number of elements."""
    if input.numel() != 1:
        raise RuntimeError("Boolean value of Tensor with " + ("no values" if input.numel() == 0 else
                           "more than one value") + " is ambiguous")
    return bool(input.item())


def is_signed(input):
    """Whether the dtype has negative values."""
    return input.is_signed()


def is_same_size(input, other):
    """Whether shapes are equal."""
    return input.shape == other.shape


def set_float32_matmul_precision(precision):
    """Checked, and accepted for PyTorch's sake: products of float32 are always computed in full precision."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', or 'medium'")


def get_float32_matmul_precision():
    """Always 'highest'."""
    return "highest"


def is_deterministic_algorithms_warn_only_enabled():
    """Never: results are deterministic, so there is nothing to warn of."""
    return False
