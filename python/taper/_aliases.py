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
functions["row_stack"] = _functions["vstack"]

# Methods that are functions, too: taper.exp_(x) is x.exp_().
_ALSO_FUNCTIONS = (
    "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_ atanh_ ceil_ "
    "clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ detach detach_ erf_ erfc_ exp2_ exp_ expm1_ fill_ fix_ "
    "floor_ frac_ gcd_ get_device i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ "
    "negative_ rad2deg_ reciprocal_ relu_ resize_as_ round_ rsqrt_ selu_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ "
    "tanh_ trunc_ xlogy_ zero_"
).split()
functions.update((name, getattr(Tensor, name)) for name in _ALSO_FUNCTIONS)
functions.update((name, _functional[name]) for name in ("celu", "hardshrink", "threshold"))

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
