"""Methods of Tensor that are written in Python."""

import copyreg

from . import _C
from ._C import Tensor
from ._creation import _device, _on
from ._late import late_methods

_BOOL = _C.bool


def _method(function):
    setattr(Tensor, function.__name__, function)
    return function


def _in_order(result, memory_format):
    if memory_format in (None, "preserve"):
        return result
    return result.contiguous(memory_format=memory_format)


def _conversion(name, dtype):
    def convert(self, memory_format="preserve"):
        return _in_order(_C._to_dtype(self, dtype, False), memory_format)

    convert.__name__ = name
    convert.__doc__ = f"The tensor as {dtype}."
    setattr(Tensor, name, convert)


for _name, _dtype in {
    "float": _C.float32,
    "double": _C.float64,
    "half": _C.float16,
    "bfloat16": _C.bfloat16,
    "int": _C.int32,
    "long": _C.int64,
    "short": _C.int16,
    "char": _C.int8,
    "byte": _C.uint8,
    "bool": _BOOL,
    "cfloat": _C.complex64,
    "cdouble": _C.complex128,
}.items():
    _conversion(_name, _dtype)


@_method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """to(dtype), to(device), to(device, dtype) or to(other): converted where needed."""
    for argument in args:
        if isinstance(argument, Tensor):
            dtype, device = argument.dtype, argument.device
        elif isinstance(argument, _C.dtype):
            dtype = argument
        elif (
            argument is None
            or isinstance(argument, (str, _C.device, int))
            and not isinstance(argument, _BOOL_TYPE)
        ):
            device = argument
    if dtype is None:
        dtype = self.dtype
    if device is None or (target := _device(device)) == self.device:
        result = _C._to_dtype(self, dtype, copy)
    elif target.type == "cpu":  # converted where the narrower of both is made
        result = _C._to_device(_C._to_dtype(self, dtype, False), target, non_blocking, False)
    else:
        result = _C._to_dtype(_C._to_device(self, target, non_blocking, copy), dtype, False)
    return _in_order(result, memory_format)


_BOOL_TYPE = bool


@_method
def type(self, dtype=None, non_blocking=False):
    """The name of the tensor's type, or the tensor as dtype."""
    if dtype is not None:
        if isinstance(dtype, str):
            self = self.to("cuda" if ".cuda." in dtype else "cpu", non_blocking=non_blocking)
            dtype = _TYPE_NAMES.get(dtype.replace(".cuda.", "."), dtype)
        elif isinstance(place := getattr(dtype, "device", None), str):
            self, dtype = self.to(place, non_blocking=non_blocking), dtype.dtype
        return _C._to_dtype(self, dtype, False)
    name = next(name for name, value in _TYPE_NAMES.items() if value is self.dtype)
    return name.replace("torch.", "torch.cuda.") if self.is_cuda else name


_TYPE_NAMES = {
    "torch.FloatTensor": _C.float32,
    "torch.DoubleTensor": _C.float64,
    "torch.HalfTensor": _C.float16,
    "torch.BFloat16Tensor": _C.bfloat16,
    "torch.ByteTensor": _C.uint8,
    "torch.CharTensor": _C.int8,
    "torch.ShortTensor": _C.int16,
    "torch.IntTensor": _C.int32,
    "torch.LongTensor": _C.int64,
    "torch.BoolTensor": _BOOL,
    "torch.ComplexFloatTensor": _C.complex64,
    "torch.ComplexDoubleTensor": _C.complex128,
    "torch.UInt16Tensor": _C.uint16,
    "torch.UInt32Tensor": _C.uint32,
    "torch.UInt64Tensor": _C.uint64,
}


@_method
def is_inference(self):
    """Whether the tensor was made under inference_mode."""
    return _C._is_inference(self)


@_method
def type_as(self, other):
    """The tensor in other's dtype."""
    return _C._to_dtype(self, other.dtype, False)


@_method
def cpu(self, memory_format="preserve"):
    """The tensor in main memory."""
    return _in_order(_C._to_device(self, _C.device("cpu"), False, False), memory_format)


@_method
def cuda(self, device=None, non_blocking=False, memory_format="preserve"):
    """The tensor on a GPU: the current one unless device says which."""
    target = _device("cuda" if device is None else device)
    return _in_order(_C._to_device(self, target, non_blocking, False), memory_format)


@_method
def numpy(self, *, force=False):
    """A NumPy array over the same memory. Throws for tensors that require a gradient, unless force."""
    return _C._to_numpy(self, force)


@_method
def tolist(self):
    """The elements as nested lists of Python numbers."""
    return _C._tolist(self)


@_method
def __array__(self, dtype=None, copy=None):
    array = _C._to_numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@_method
def __array_wrap__(self, array, context=None, return_scalar=False):
    return _C.from_numpy(array)


Tensor.__array_priority__ = 1000
Tensor.__rdiv__ = Tensor.__rtruediv__


@_method
def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    if dl_device is not None and tuple(dl_device) != __dlpack_device__(self):
        raise BufferError(
            f"__dlpack__: device {dl_device} is not available; the tensor is on {__dlpack_device__(self)}"
        )
    if self.is_cuda and stream != -1:
        own = _C._cuda_current_stream(self.device.index)
        # 1, or nothing, means the default queue.
        consumer = 0 if stream in (None, 1) else stream
        if consumer != own.cuda_stream:
            _C._cuda_stream_of_handle(consumer, self.device.index).wait_stream(own)
    return _C._to_dlpack(self, max_version is not None and max_version[0] >= 1, bool(copy))


@_method
def __dlpack_device__(self):
    return (2, self.device.index) if self.is_cuda else (1, 0)


def _cuda_array_interface(self):
    """Shape, strides and address of a dense or strided tensor on a GPU, as CuPy and Numba read them."""
    if not self.is_cuda:
        raise AttributeError(f"__cuda_array_interface__: the tensor is on {self.device}; use tensor.cuda()")
    if self.requires_grad:
        raise _C.AutogradError(
            "__cuda_array_interface__: can't share a Tensor that requires grad; use detach()"
        )
    if self.dtype == _C.bfloat16:
        raise TypeError("__cuda_array_interface__: NumPy has no bfloat16")
    item = self.element_size()
    letter = (
        "b" if self.dtype is _BOOL else "c" if self.is_complex() else "f" if self.is_floating_point() else ""
    )
    return {
        "typestr": f"{'|' if item == 1 else '<'}{letter or ('i' if self.is_signed() else 'u')}{item}",
        "shape": tuple(self.shape),
        "strides": None if self.is_contiguous() else tuple(step * item for step in self.stride()),
        "data": (self.data_ptr() if self.numel() else 0, False),
        "version": 2,
    }


Tensor.__cuda_array_interface__ = property(_cuda_array_interface)


@_method
def __iter__(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@_method
def __contains__(self, element):
    if not isinstance(element, (Tensor, int, float, complex, _BOOL_TYPE)):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {element.__class__}."
        )
    return _BOOL_TYPE((self == element).any())


@_method
def __format__(self, spec):
    if self.ndim == 0 and self.__class__ is Tensor:
        return format(self.item(), spec)
    return object.__format__(str(self), "") if not spec else format(str(self), spec)


def _new(name, maker):
    def method(
        self, *sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False
    ):
        if size is None:
            size = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
        elif sizes:
            raise TypeError(f"{name}: got sizes {sizes} and size={tuple(size)}; give one")
        result = maker(
            tuple(size), self.dtype if dtype is None else dtype, self.device if device is None else device
        )
        return result.requires_grad_() if requires_grad else result

    method.__name__ = name
    method.__doc__ = f"{name}(size): a new tensor of this tensor's dtype."
    setattr(Tensor, name, method)


_functions = _C._homes["taper"]
_new("new_zeros", lambda size, dtype, device: _functions["zeros"](size, dtype=dtype, device=device))
_new("new_ones", lambda size, dtype, device: _functions["ones"](size, dtype=dtype, device=device))
_new("new_empty", lambda size, dtype, device: _functions["empty"](size, dtype=dtype, device=device))


@_method
def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A tensor of size filled with fill_value, of this tensor's dtype."""
    result = _functions["full"](
        size,
        fill_value,
        dtype=self.dtype if dtype is None else dtype,
        device=self.device if device is None else device,
    )
    return result.requires_grad_() if requires_grad else result


@_method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    """A tensor with a copy of data, of this tensor's dtype."""
    result = _C._from_data(data, self.dtype if dtype is None else dtype, True)
    result = _on(self.device if device is None else device, result)
    return result.requires_grad_() if requires_grad else result


@_method
def is_pinned(self, device=None):
    """Whether the memory is page-locked."""
    return _C._is_pinned(self)


@_method
def pin_memory(self, device=None):
    """A copy in page-locked memory; the tensor itself without a GPU, as nothing is gained then."""
    return _C._pin_memory(self) if _C._cuda_available() else self


@_method
def record_stream(self, stream):
    """Keeps the memory from being used anew before the work that stream has now is done."""
    _C._record_stream(self, stream)


@_method
def get_device(self):
    """The number of the GPU; -1 in main memory."""
    return self.device.index if self.is_cuda else -1


@_method
def is_same_size(self, other):
    """Whether shapes are equal."""
    return self.shape == other.shape


@_method
def is_set_to(self, other):
    """Whether both show the same memory in the same way."""
    return (
        self.data_ptr() == other.data_ptr() and self.shape == other.shape and self.stride() == other.stride()
    )


@_method
def new(self, *data, device=None):
    """A tensor of this dtype: new() is empty, new(sizes) uninitialized, new(data) a copy."""
    place = self.device if device is None else _device(device)
    if len(data) == 1 and not isinstance(data[0], (int, _C.Size)):
        return _on(place, _C._from_data(data[0], self.dtype, True))
    size = data[0] if len(data) == 1 and isinstance(data[0], _C.Size) else data
    return _functions["empty"](tuple(size) if data else (0,), dtype=self.dtype, device=place)


@_method
def apply_(self, callable):
    """Replaces each element by callable(element), one after another; for tensors on the CPU."""
    if self.is_cuda:
        raise TypeError("apply_ is only implemented on CPU tensors")
    values = [callable(value) for value in self.detach().flatten().tolist()]
    return self.copy_(_C._from_data(values, self.dtype, True).reshape(self.shape))


@_method
def map_(self, tensor, callable):
    """Replaces each element by callable(element, the one of tensor), one after another; on the CPU."""
    if self.is_cuda:
        raise TypeError("map_ is only implemented on CPU tensors")
    others = tensor.detach().expand(self.shape).flatten().tolist()
    values = [callable(a, b) for a, b in zip(self.detach().flatten().tolist(), others)]
    return self.copy_(_C._from_data(values, self.dtype, True).reshape(self.shape))


def _part(name, doc):
    function = _functions[name]

    def assign(self, value):
        function(self).copy_(value if isinstance(value, Tensor) else _C._from_data(value, None, True))

    return property(function, assign, doc=doc)


Tensor.real = _part("real", "The real parts, a view; the tensor itself where it is real.")
Tensor.imag = _part("imag", "The imaginary parts, a view. Throws for real tensors.")
Tensor.is_meta = property(lambda self: self.device.type == "meta", doc="Whether it has sizes only.")
Tensor.names = property(lambda self: (None,) * self.ndim, doc="Dimensions have no names.")
Tensor.layout = property(lambda self: "strided", doc="How elements lie in memory: always by strides.")
for _name in "sparse sparse_csr quantized mps mkldnn nested xla xpu vulkan mtia ipu".split():
    setattr(
        Tensor, "is_" + _name, property(lambda self: False, doc=f"Whether this is a {_name} tensor: never.")
    )

# Of methods and of functions.
SECOND_NAMES = {
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "ger": "outer",
    "unsafe_split_with_sizes": "split_with_sizes",
}
for _alias, _name in SECOND_NAMES.items():
    setattr(Tensor, _alias, getattr(Tensor, _name))
    if hasattr(Tensor, _name + "_"):
        setattr(Tensor, _alias + "_", getattr(Tensor, _name + "_"))

late_methods(
    Tensor,
    "taper._matrix",
    """det logdet slogdet inverse cholesky cholesky_inverse cholesky_solve qr svd triangular_solve pinverse
    matrix_power kron trace dist cov corrcoef addbmm addr ger vdot inner cross lu lu_solve orgqr ormqr stft
    istft""",
)
late_methods(
    Tensor,
    "taper._aliases",
    """_is_view const_data_ptr dim_order fill_diagonal_ hardshrink module_load prelu set_ storage_type
    to_dense""",
)
late_methods(
    Tensor,
    "taper._copying",
    "__deepcopy__ __reduce_ex__ __setstate__ is_shared share_memory_ untyped_storage storage",
)
late_methods(Tensor, "taper._joined", "histogramdd narrow_copy")
late_methods(Tensor, "taper._native", "new_empty_strided")
late_methods(Tensor, "taper._questions", "is_conj is_neg is_nonzero")


@_method
def __reversed__(self):
    """The rows from last to first."""
    return self.flip(0) if self.ndim else self


@_method
def __complex__(self):
    """The one element as a Python number."""
    return complex(self.item())


def _make_subclass(cls, data, require_grad=False):
    """data's elements as a leaf of cls."""
    return data.detach().as_subclass(cls).requires_grad_(require_grad)


Tensor._make_subclass = staticmethod(_make_subclass)


@_method
def as_subclass(self, cls):
    """The same elements and history as an object of cls, a subclass of Tensor."""
    if not (isinstance(cls, _TYPE) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass: expected a subclass of Tensor, got {cls!r}")
    return _C._as_subclass(self, cls)


_TYPE = Tensor.__class__


def _torch_function(cls, func, types, args=(), kwargs=None):
    """Computes as for plain tensors and gives results the class."""
    from .overrides import default_torch_function

    return default_torch_function(cls, func, types, args, kwargs)


def _init_subclass(cls, **options):
    super(Tensor, cls).__init_subclass__(**options)
    if cls.__torch_function__ is not _C._disabled_torch_function_impl:
        from .overrides import adopt

        adopt(cls)


Tensor.__torch_function__ = classmethod(_torch_function)
Tensor.__init_subclass__ = classmethod(_init_subclass)


def _function_at(home, name):
    return getattr(Tensor, name) if home == "Tensor" else _C._homes[home][name]


def _pickled_function(function):
    # By reference, as Python's own functions are; one name may be a function in several homes.
    name = function.__name__
    for home, functions in _C._homes.items():
        if functions.get(name) is function:
            return _function_at, (home, name)
    return _function_at, ("Tensor", name)


for _function in (_C._homes["taper"]["relu"], Tensor.relu):
    copyreg.pickle(_function.__class__, _pickled_function)
