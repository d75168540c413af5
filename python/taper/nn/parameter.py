"""Parameters and buffers: tensors that modules register by themselves."""

from .. import _C


class Parameter(_C.Tensor):
    """A tensor that a module registers as its own when it is assigned to an attribute."""

    __torch_function__ = _C._disabled_torch_function_impl

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = _C._homes["taper"]["empty"](0)
        if cls is Parameter and hasattr(data, "as_registered"):  # a taper.distributed.tensor.DTensor
            return data.as_registered(requires_grad)
        result = super().__new__(cls, data)
        _C._mark_parameter(result)
        if requires_grad and not (data.is_floating_point() or data.is_complex()):
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients, got "
                f"{data.dtype}; pass requires_grad=False"
            )
        return result.requires_grad_() if requires_grad else result


class Buffer(_C.Tensor):
    """A tensor that a module registers as a buffer when it is assigned to an attribute."""

    __torch_function__ = _C._disabled_torch_function_impl

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = _C._homes["taper"]["empty"](0)
        result = super().__new__(cls, data)
        result.persistent = persistent
        return result


class UninitializedTensorMixin:
    """A tensor without a shape until materialize gives it one."""

    def materialize(self, shape, device=None, dtype=None):
        """Becomes an ordinary tensor of shape, with arbitrary values, where it is if no device is given."""
        dtype, device = self.dtype if dtype is None else dtype, self.device if device is None else device
        self.data = _C._homes["taper"]["empty"](tuple(shape), dtype=dtype, device=device)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol):
        return type(self), (self.requires_grad, self.device, self.dtype)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]


def is_lazy(param):
    """Whether param has no shape yet."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is known only when its module sees its first input."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return super().__new__(cls, _C._homes["taper"]["empty"](0, dtype=dtype, device=device), requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape is known only when its module sees its first input."""

    cls_to_become = Buffer

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        data = _C._homes["taper"]["empty"](0, dtype=dtype, device=device)
        return super().__new__(cls, data, persistent=persistent)


_C._set_parameter_type(Parameter)


def are_divided(parameters):
    """Whether some are DTensors, of which this rank has a part."""
    return any(hasattr(kind, "_part_of") for kind in set(map(type, parameters)))
