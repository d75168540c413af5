"""Second names of operations, and methods of Tensor that follow from functions."""

from . import _C
from ._joined import view_copies

_functions, _functional, Tensor = _C._homes["taper"], _C._homes["nn.functional"], _C.Tensor

_NAMES = {
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "ger": "outer",
}

functions = {alias: _functions[name] for alias, name in _NAMES.items()}
functions["unsafe_split_with_sizes"] = _functions["split_with_sizes"]

for _alias, _name in _NAMES.items():
    setattr(Tensor, _alias, getattr(Tensor, _name))
    if hasattr(Tensor, _name + "_"):
        setattr(Tensor, _alias + "_", getattr(Tensor, _name + "_"))
Tensor.unsafe_split_with_sizes = Tensor.split_with_sizes
Tensor.narrow_copy = view_copies["narrow_copy"]


def _method_of(name):
    function = _functional[name]
    setattr(Tensor, name, lambda self, *arguments, **named: function(self, *arguments, **named))


for _name in ("hardshrink", "prelu"):
    if not hasattr(Tensor, _name):
        _method_of(_name)


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


Tensor.fill_diagonal_ = fill_diagonal_
