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
