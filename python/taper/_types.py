"""PyTorch's types of tensors by element: FloatTensor(...) makes one, isinstance asks for the dtype.

Types of CUDA devices are found as taper.cuda.FloatTensor.
"""

import functools

from . import _C


class _TensorType(type(_C.Tensor)):
    def __call__(cls, *data, device=None):
        device = cls.device if device is None else device
        if len(data) == 1 and not isinstance(data[0], (int, _C.Size)):
            return _C._from_data(data[0], cls.dtype, True).to(device)
        size = data[0] if len(data) == 1 and isinstance(data[0], _C.Size) else data
        return _C._homes["taper"]["empty"](tuple(size) if data else (0,), dtype=cls.dtype, device=device)

    def __instancecheck__(cls, value):
        return isinstance(value, _C.Tensor) and value.dtype is cls.dtype and value.device.type == cls.device

    def __repr__(cls):
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def _made(name, dtype, device="cpu"):
    # Not a subclass of Tensor: what it makes are plain tensors.
    module = "taper" if device == "cpu" else f"taper.{device}"
    doc = f"Tensors of {dtype}."
    return _TensorType(name, (), {"dtype": dtype, "device": device, "__doc__": doc, "__module__": module})


@functools.cache
def on_cuda(name):
    """The type of this name for CUDA devices. Throws AttributeError where there is none."""
    here = globals().get(name)
    if not isinstance(here, _TensorType):
        raise AttributeError(f"module 'taper.cuda' has no attribute {name!r}")
    return _made(name, here.dtype, "cuda")


FloatTensor, DoubleTensor = _made("FloatTensor", _C.float32), _made("DoubleTensor", _C.float64)
HalfTensor, BFloat16Tensor = _made("HalfTensor", _C.float16), _made("BFloat16Tensor", _C.bfloat16)
LongTensor, IntTensor = _made("LongTensor", _C.int64), _made("IntTensor", _C.int32)
ShortTensor, CharTensor = _made("ShortTensor", _C.int16), _made("CharTensor", _C.int8)
ByteTensor, BoolTensor = _made("ByteTensor", _C.uint8), _made("BoolTensor", _C.bool)
