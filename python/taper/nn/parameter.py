"""Parameters and buffers: tensors that modules register by themselves."""

from .. import _C


class Parameter(_C.Tensor):
    """A tensor that a module registers as its own when it is assigned to an attribute."""

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = _C._homes["taper"]["empty"](0)
        result = super().__new__(cls, data)
        _C._mark_parameter(result)
        if data.is_floating_point() or data.is_complex():
            result.requires_grad_(requires_grad)
        return result

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.detach().clone(), self.requires_grad)
        if self.grad is not None:
            result.grad = self.grad.detach().clone()
        memo[id(self)] = result
        return result


class Buffer(_C.Tensor):
    """A tensor that a module registers as a buffer when it is assigned to an attribute."""

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = _C._homes["taper"]["empty"](0)
        result = super().__new__(cls, data)
        result.persistent = persistent
        return result


_C._set_parameter_type(Parameter)
