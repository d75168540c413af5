"""Second names of operations, and methods that follow from functions; loaded when first asked for."""

from . import _C
from ._tensor import SECOND_NAMES

_functions, _functional = _C._homes["taper"], _C._homes["nn.functional"]

globals().update({_alias: _functions[_name] for _alias, _name in SECOND_NAMES.items()})
row_stack = _functions["vstack"]
grid_sampler_2d = grid_sampler_3d = _functions["grid_sampler"]
celu, threshold = _functional["celu"], _functional["threshold"]


def __getattr__(name):
    # Methods that are functions, too: taper.exp_(x) is x.exp_().
    if not hasattr(_C.Tensor, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_C.Tensor, name)


def hardshrink(self, lambd=0.5):
    """nn.functional.hardshrink of the tensor."""
    return _functional["hardshrink"](self, lambd)


def prelu(self, weight):
    """nn.functional.prelu of the tensor."""
    return _functional["prelu"](self, weight)


def fill_diagonal_(self, fill_value, wrap=False):
    """Writes fill_value on the main diagonal; wrap starts it again below a tall matrix."""
    if self.ndim < 2:
        raise _C.ShapeError(f"fill_diagonal_: needs at least 2 dimensions, got shape {tuple(self.shape)}")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise _C.ShapeError(
            f"fill_diagonal_: all sizes must be equal beyond 2 dimensions, got shape {tuple(self.shape)}"
        )
    rows, columns = self.shape[0], self.shape[1]
    diagonal = self.as_strided((min(self.shape),), (sum(self.stride()),), self.storage_offset())
    diagonal.fill_(fill_value)
    if wrap and self.ndim == 2:
        for start in range(columns + 1, rows, columns + 1):
            self[start:].diagonal().fill_(fill_value)
    return self


def to_dense(self, dtype=None, *, masked_grad=True):
    """The tensor itself, of dtype if one is given: all tensors are dense."""
    return self if dtype is None else self.to(dtype)


def dim_order(self, *, ambiguity_check=False):
    """The dimensions by falling stride: how the elements lie in memory, outermost first."""
    return tuple(sorted(range(self.ndim), key=lambda dim: -self.stride(dim)))


def const_data_ptr(self):
    """The address of the first element."""
    return self.data_ptr()


def module_load(self, other, assign=False):
    """What load_state_dict puts in the place of this tensor: other's elements, without its history."""
    return other.detach() if assign else self.detach().copy_(other.detach())


def storage_type(self):
    """The class of the tensor's storage."""
    return type(self.untyped_storage())


def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Lets the tensor show the memory of source, a tensor or a storage, from now on; without, it is empty.

    size, stride: those of source where they are not given; a storage is a vector of elements of self's
    dtype. Throws DTypeError for a tensor of another dtype, ShapeError where the elements would not lie
    in the memory.
    """
    if source is None:
        source = self.new_empty(0)
    if not isinstance(source, _C.Tensor):
        content = source._content
        if size is None:
            size = (content.numel() // self.element_size() - storage_offset,)
    else:
        if source.dtype != self.dtype:
            raise _C.DTypeError(f"set_: a tensor of {self.dtype} cannot show one of {source.dtype}")
        if size is None:
            self.data = source.detach()
            return self
        content = source.detach()
    stride = self.new_empty(size, device="meta").stride() if stride is None else stride
    self.data = _C._on_storage(content, self.dtype, list(size), list(stride), storage_offset)
    return self


def _is_view(self):
    """Whether the tensor shows elements of another one."""
    return self._base is not None
