"""Names of old PyTorch programs, and small questions that programs ask of the package."""

import math
import warnings

from . import _C

_f = _C._homes["taper"]

# In PyTorch types of their own; here an order of memory is named by text.
memory_format = layout = str

has_mkl = has_openmp = has_mps = has_cuda = has_mkldnn = False
has_lapack = has_spectral = True


def range(start=0, end=None, step=1, *, out=None, dtype=None, device=None, requires_grad=False, layout=None):
    """Numbers from start to end inclusive; arange leaves end out."""
    if end is None:
        raise TypeError("range(): missing argument 'end'")
    warnings.warn(
        "taper.range is deprecated because it is inconsistent with Python's range; use taper.arange.",
        UserWarning,
        stacklevel=2,
    )
    if step == 0 or (end - start) * step < 0:
        raise _C.ValueError("range: upper bound and lower bound inconsistent with step sign")
    count = math.floor((end - start) / step) + 1
    dtype = dtype or _C.get_default_dtype()
    result = _f["arange"](count, dtype=_C.float64, device=device) * step + start
    result = result.to(dtype).requires_grad_(requires_grad)
    return result if out is None else out.resize_(result.shape).copy_(result)


def detach_copy(input):
    """A copy that is no part of the graph."""
    return input.detach().clone()


def conj_physical_(input):
    """The complex conjugate, in place."""
    return input.copy_(input.conj())


def set_default_tensor_type(t, /):
    """set_default_dtype and set_default_device by a type such as taper.cuda.DoubleTensor or its name."""
    from . import _types
    from ._creation import set_default_dtype
    from ._questions import set_default_device

    if isinstance(t, str):
        home, _, name = t.rpartition(".")
        t = _types.on_cuda(name) if home.endswith(".cuda") else getattr(_types, name)
    set_default_dtype(t.dtype)
    set_default_device(t.device)


def is_anomaly_enabled():
    """Whether autograd.set_detect_anomaly is on."""
    return _C.is_anomaly_enabled()


def set_anomaly_enabled(enabled, check_nan=True):
    """autograd.set_detect_anomaly(enabled)."""
    _C._set_anomaly_detection(enabled)


def is_anomaly_check_nan_enabled():
    """Whether a backward that makes NaN raises."""
    return _C.is_anomaly_enabled()


def _assert(condition, message):
    """assert condition, message."""
    assert condition, message


def set_autocast_cpu_enabled(enabled):
    """set_autocast_enabled("cpu", enabled)."""
    _C.set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype):
    """set_autocast_dtype("cpu", dtype)."""
    _C.set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype):
    """set_autocast_dtype("cuda", dtype)."""
    _C.set_autocast_dtype("cuda", dtype)


def cond(pred, true_fn, false_fn, operands=()):
    """true_fn(*operands) if pred, else false_fn(*operands)."""
    return (true_fn if bool(pred) else false_fn)(*operands)


def while_loop(cond_fn, body_fn, carried_inputs):
    """carried_inputs = body_fn(*carried_inputs) for as long as cond_fn(*carried_inputs)."""
    while bool(cond_fn(*carried_inputs)):
        carried_inputs = body_fn(*carried_inputs)
        if not isinstance(carried_inputs, (tuple, list)):
            carried_inputs = (carried_inputs,)
    return tuple(carried_inputs)


class SymInt:
    """A size that is not known yet in PyTorch's compiler; here every size is an int, and none is one."""


class SymFloat:
    """A number that is not known yet in PyTorch's compiler; here none is one."""


class SymBool:
    """A condition that is not known yet in PyTorch's compiler; here none is one."""


def sym_int(a):
    """int(a)."""
    return int(a)


def sym_float(a):
    """float(a)."""
    return float(a)


def sym_not(a):
    """not a."""
    return not a


def sym_max(a, b):
    """The larger one."""
    return a if a > b else b


def sym_min(a, b):
    """The smaller one."""
    return a if a < b else b


def sym_ite(b, t, f):
    """t if b, else f."""
    return t if b else f


def sym_sum(args):
    """The sum."""
    return sum(args)


def compiled_with_cxx11_abi():
    """Whether the library uses libstdc++'s strings of C++11: always."""
    return True
