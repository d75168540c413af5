"""Small questions about tensors, and settings of PyTorch that have one answer here."""

import importlib
import math

from . import _C
from ._C import (
    DTypeError,
    ShapeError,
    Tensor,
    _homes,
    _write_out,
    complex64,
    float64,
    get_default_dtype,
    int64,
    uint64,
)
from ._C import bool as _boolean


def typename(obj):
    """The name of an object's type with its module; of a tensor, that of its type()."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None)
    return kind.__qualname__ if module in (None, "builtins") else f"{module}.{kind.__qualname__}"


def hash_tensor(input, dim=(), *, keepdim=False, mode=0, out=None):
    """Exclusive or, as uint64, of the bits of all elements (along dim), each widened to 64 bits; mode is
    0."""
    if mode != 0:
        raise RuntimeError(f"hash_tensor: only mode 0 (exclusive or) is there, got {mode}")
    if input.is_complex():
        raise DTypeError(f"hash_tensor: not defined for {input.dtype}")
    dims = [dim] if isinstance(dim, int) else list(dim) or list(range(input.ndim))
    dims = dims if input.ndim else []
    rest = input.ndim - len(dims)
    last = input.movedim(dims, list(range(rest, input.ndim)))
    kept, count = last.shape[:rest], math.prod(last.shape[rest:])
    if count == 0:
        raise ShapeError(
            f"hash_tensor: nothing to reduce along {dim or 'all dimensions'} of shape {tuple(input.shape)}"
        )
    wide = float64 if input.is_floating_point() else int64
    bits = last.detach().to(wide).reshape(*kept, count).contiguous().view(int64)
    while bits.shape[-1] > 1:
        half = bits.shape[-1] // 2
        folded = bits[..., :half] ^ bits[..., half : 2 * half]
        bits = _homes["taper"]["cat"]([folded, bits[..., 2 * half :]], -1)
    result = bits[..., 0].contiguous().view(uint64)
    if keepdim:
        for place in sorted(d % input.ndim for d in dims):
            result = result.unsqueeze(place)
    if out is not None:
        _write_out(out, result, "hash_tensor")
    return result if out is None else out


def is_nonzero(input):
    """Whether the only element is not zero. Throws RuntimeError for any other number of elements."""
    if input.numel() != 1:
        raise RuntimeError(
            "Boolean value of Tensor with "
            + ("no values" if input.numel() == 0 else "more than one value")
            + " is ambiguous"
        )
    return input.item() != 0


def is_signed(input):
    """Whether the dtype has negative values."""
    return input.is_signed()


def is_same_size(input, other):
    """Whether shapes are equal."""
    return input.shape == other.shape


def set_float32_matmul_precision(precision):
    """How products of float32 are computed on GPUs: 'highest' in full precision, 'high' and 'medium' in TF32.
    On the CPU they are always computed in full precision."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', or 'medium'")
    _C._backends.float32_matmul_precision = getattr(_C._Float32Precision, precision)


def get_float32_matmul_precision():
    """'highest', 'high' or 'medium'."""
    return _C._backends.float32_matmul_precision.name


_warn_only = False


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Whether results on GPUs must be the same bits in every run: sums at indices are then made in a fixed
    order, and convolutions by engines of cuDNN that do so. Every operation has such an algorithm, so that
    there is nothing to warn of or to refuse. Results on the CPU are always the same bits, for any number of
    threads.
    """
    global _warn_only
    _C._backends.deterministic_algorithms = bool(mode)
    _warn_only = bool(warn_only)


def are_deterministic_algorithms_enabled():
    """What use_deterministic_algorithms was given last; False before."""
    return _C._backends.deterministic_algorithms


def is_deterministic_algorithms_warn_only_enabled():
    """warn_only as use_deterministic_algorithms was given it last, which changes nothing."""
    return _warn_only


def result_type(tensor1, tensor2):
    """The dtype of an arithmetic operation of both, each a tensor or a number."""

    def sample(value):
        if not isinstance(value, Tensor):
            return value
        return _homes["taper"]["empty"](() if value.ndim == 0 else (0,), dtype=value.dtype)

    first, second = sample(tensor1), sample(tensor2)
    if not isinstance(first, Tensor) and not isinstance(second, Tensor):
        first = _homes["taper"]["scalar_tensor"](first, dtype=dtype_of(first))
        second = _homes["taper"]["scalar_tensor"](second, dtype=dtype_of(second))
    return (first * second).dtype


def dtype_of(number):
    """The dtype that tensor() gives a number."""
    if isinstance(number, bool):
        return _boolean
    return (
        int64 if isinstance(number, int) else get_default_dtype() if isinstance(number, float) else complex64
    )


def can_cast(from_, to):
    """Whether a dtype may become another without falling to a lower kind: complex, floating, integral,
    bool."""

    def kind(dtype):
        return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 0 if dtype == _boolean else 1

    return kind(from_) <= kind(to)


def is_inference(input):
    """Whether the tensor was made under inference_mode."""
    return input.is_inference()


def is_conj(input):
    """Never: conjugation is computed at once, not kept as a mark."""
    return False


def is_neg(input):
    """Never: negation is computed at once, not kept as a mark."""
    return False


def is_storage(obj):
    """Never: tensors show no storages."""
    return False


def get_default_device():
    """Where new tensors are made that are given no device: the CPU, unless set_default_device changed it."""
    return _C._default_device()


def get_device_module(device=None):
    """taper.cuda, taper.cpu and so on, by a device or its type; None: the accelerator's, or taper.cpu."""
    if device is None:
        device = "cuda" if _C._cuda_available() else "cpu"
    kind = _C.device(device).type
    try:
        return importlib.import_module("." + kind, __package__)
    except ModuleNotFoundError:
        raise RuntimeError(f"get_device_module: no module for devices of type {kind}") from None


def set_default_device(device):
    """New tensors of this thread that are given no device go there; None: to the CPU. Throws DeviceError
    where there is no such device."""
    _C._set_default_device(_C.device("cpu" if device is None else device))


def get_num_interop_threads():
    """One: operations run one after another, each on get_num_threads() threads."""
    return 1


def set_num_interop_threads(count):
    """Checked, and accepted for PyTorch's sake."""
    if count <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def set_flush_denormal(mode):
    """False: subnormal numbers are always kept."""
    return False


def get_deterministic_debug_mode():
    """0, 1 or 2 as use_deterministic_algorithms is off, on with warn_only, or on."""
    return (1 if _warn_only else 2) if are_deterministic_algorithms_enabled() else 0


def set_deterministic_debug_mode(debug_mode):
    """use_deterministic_algorithms by a number or name: 0 'default', 1 'warn', 2 'error'."""
    names = ("default", "warn", "error")
    if debug_mode not in (0, 1, 2, *names):
        raise RuntimeError("invalid value of debug_mode, expected `default`, `warn`, `error`, 0, 1 or 2")
    mode = names.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    use_deterministic_algorithms(mode != 0, warn_only=mode == 1)


def set_warn_always(mode):
    """Accepted for PyTorch's sake: Python's warning filters decide."""


def is_warn_always_enabled():
    """False: Python's warning filters decide."""
    return False
