"""Tensors from Python data, and the state of the random generator."""

from . import _C


def _array_of_scalar(data):
    if hasattr(data, "_value"):
        raise RuntimeError("tensor: what stands for a batch in vmap cannot be copied; use clone()")
    # NumPy's scalars keep their type, as its arrays do.
    return (
        data.__array__()
        if type(data).__module__ == "numpy" and hasattr(data, "dtype") and not data.ndim
        else data
    )


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with a copy of data: numbers, nested lists, arrays or a tensor."""
    result = _on(device, _C._from_data(_array_of_scalar(data), dtype, True))
    if pin_memory:
        result = result.pin_memory()
    return result.requires_grad_() if requires_grad else result


def as_tensor(data, dtype=None, device=None):
    """data as a tensor, sharing memory with arrays and tensors where dtype allows."""
    if device is None and isinstance(data, _C.Tensor):
        return _C._to_dtype(data, data.dtype if dtype is None else dtype, False)
    return _on(device, _C._from_data(_array_of_scalar(data), dtype, False))


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """obj as a tensor; copy says whether memory must, may not, or may (None) be copied."""
    result = _C._from_data(obj, dtype, bool(copy))
    if device is not None or not isinstance(obj, _C.Tensor):
        result = _on(device, result)
    if _C.Tensor is not type(obj) and requires_grad:
        result = result.detach()
    return result.requires_grad_() if requires_grad else result


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor over the memory of an object with the buffer protocol."""
    import numpy

    known = _C.uint16 if dtype is _C.bfloat16 else dtype  # to NumPy
    array = numpy.frombuffer(buffer, dtype=str(known).split(".")[-1], count=count, offset=offset)
    result = _C.from_numpy(array if array.flags.writeable else array.copy())
    result = result if known is dtype else result.view(dtype)
    return result.requires_grad_() if requires_grad else result


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor over the memory of another library's array, or of a DLPack capsule; a copy of what is read-
    only."""
    if device is not None:
        return _on(device, from_dlpack(ext_tensor, copy=copy))
    if not hasattr(ext_tensor, "__dlpack__"):
        return _C._from_dlpack(ext_tensor, bool(copy))
    kind, index = ext_tensor.__dlpack_device__()
    # The producer lets our queue wait for its own; the default one is called 1.
    queue = {"stream": _C._cuda_current_stream(index).cuda_stream or 1} if kind == 2 else {}
    try:
        capsule = ext_tensor.__dlpack__(
            max_version=(1, 0), **queue, **({} if copy is None else {"copy": copy})
        )
    except TypeError:  # a producer of before version 1.0
        return _C._from_dlpack(ext_tensor.__dlpack__(**queue), bool(copy))
    return _C._from_dlpack(capsule, False)


def is_tensor(obj):
    """Whether obj is a Tensor."""
    return isinstance(obj, _C.Tensor)


def numel(input):
    """Number of elements."""
    return input.numel()


def manual_seed(seed):
    """Seeds the default generators of all devices, and returns the CPU's."""
    _C._manual_seed(int(seed) & (2**63 - 1))
    return _C.default_generator.manual_seed(int(seed) & (2**63 - 1))


def seed():
    """Seeds the default generator from the operating system."""
    return _C.default_generator.seed()


def initial_seed():
    """The seed of the default generator."""
    return _C.default_generator.initial_seed()


def get_rng_state():
    """The default generator's state as a uint8 tensor of 16 bytes: seed and offset."""
    return _state_of(_C.default_generator)


def set_rng_state(new_state):
    """Restores what get_rng_state returned."""
    _restore_state(_C.default_generator, new_state)


def _state_of(generator):
    import numpy

    state = numpy.array(generator._get_state(), dtype=numpy.uint64)
    return _C._from_data(state.view(numpy.uint8), None, True)


def _restore_state(generator, state):
    import numpy

    if state.dtype is not _C.uint8 or tuple(state.shape) != (16,):
        raise TypeError(
            f"set_state: expected a uint8 tensor of 16 bytes as get_state returns it, got {state.dtype} of "
            f"shape {tuple(state.shape)}"
        )
    words = _C._to_numpy(state).view(numpy.uint64)
    generator._set_state(int(words[0]), int(words[1]))


def set_default_dtype(d):
    """Changes the dtype of new floating tensors."""
    _C.set_default_dtype(d)


def _device(device):
    """What users may write for a device - a name, a number of a GPU - as a device."""
    return _C.device("cuda", device) if type(device) is int else _C.device(device)


def _on(device, tensor):
    """tensor, a new one, on device (None: where new tensors go): itself if it is there, else moved."""
    if device is None:
        return _C._on_default_device(tensor)
    return _C._to_device(tensor, _device(device), False, False)
