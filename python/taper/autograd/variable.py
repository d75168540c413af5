"""Variable: PyTorch's old name of a tensor with a gradient."""

from .. import _C


class _VariableType(type(_C.Tensor)):
    def __instancecheck__(cls, value):
        return isinstance(value, _C.Tensor)


class Variable(metaclass=_VariableType):
    """Variable(x, requires_grad) is x.detach() with that flag; every tensor is an instance."""

    def __new__(cls, data, requires_grad=False, volatile=False):
        return data.detach().requires_grad_(requires_grad)
