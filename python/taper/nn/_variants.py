"""PyTorch's second forms of nn.functional's functions: in place by name, and pools that always give the
places."""

from .. import _C
from .._layers import conv_tbc  # noqa: F401

_F = _C._homes["nn.functional"]

__all__ = []


def _add(name, doc, function):
    function.__name__, function.__doc__ = name, doc
    globals()[name] = function
    __all__.append(name)


def _in_place(name):
    function = _F[name]
    _add(
        name + "_",
        f"{name}, written into its input.",
        lambda input, *args, **kwargs: function(input, *args, **kwargs, inplace=True),
    )


def _with_indices(name):
    function = _F[name]

    def both(input, *args, return_indices=False, **kwargs):
        return tuple(function(input, *args, **kwargs, return_indices=True))

    _add(name + "_with_indices", f"{name} and the places of the maxima in their planes.", both)


for _name in ("relu", "leaky_relu", "elu", "celu", "selu", "hardtanh", "rrelu", "threshold"):
    _in_place(_name)
for _dims in (1, 2, 3):
    _with_indices(f"max_pool{_dims}d")
    _with_indices(f"adaptive_max_pool{_dims}d")
