"""PyTorch's types of tensors by element: FloatTensor(...) makes one, isinstance asks for the dtype."""

from . import _C


class _TensorType(type(_C.Tensor)):
    def __call__(cls, *data, device=None):
        if len(data) == 1 and not isinstance(data[0], (int, _C.Size)):
            return _C._from_data(data[0], cls.dtype, True)
        size = data[0] if len(data) == 1 and isinstance(data[0], _C.Size) else data
        return _C._homes["taper"]["empty"](tuple(size) if data else (0,), dtype=cls.dtype)

    def __instancecheck__(cls, value):
        return isinstance(value, _C.Tensor) and value.dtype is cls.dtype

    def __repr__(cls):
        return f"<class 'taper.{cls.__name__}'>"


def _made(name, dtype):
    # Not a subclass of Tensor: what it makes are plain tensors.
    return _TensorType(name, (), {"dtype": dtype, "__doc__": f"Tensors of {dtype}.", "__module__": "taper"})


FloatTensor, DoubleTensor = _made("FloatTensor", _C.float32), _made("DoubleTensor", _C.float64)
HalfTensor, BFloat16Tensor = _made("HalfTensor", _C.float16), _made("BFloat16Tensor", _C.bfloat16)
LongTensor, IntTensor = _made("LongTensor", _C.int64), _made("IntTensor", _C.int32)
ShortTensor, CharTensor = _made("ShortTensor", _C.int16), _made("CharTensor", _C.int8)
ByteTensor, BoolTensor = _made("ByteTensor", _C.uint8), _made("BoolTensor", getattr(_C, "bool"))
