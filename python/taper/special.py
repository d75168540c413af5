"""Special functions, with PyTorch's names."""

from . import _C

globals().update(_C._homes.get("special", {}))
_functions = _C._homes["taper"]
gammaln, psi, round = _functions["lgamma"], _functions["digamma"], _functions["round"]
__all__ = sorted({*_C._homes.get("special", {}), "gammaln", "psi", "round"})
