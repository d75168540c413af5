"""Tools for parameters and gradients."""

import importlib as _importlib

from . import rnn
from .clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from .convert_parameters import parameters_to_vector, vector_to_parameters
from .spectral_norm import remove_spectral_norm, spectral_norm
from .weight_norm import remove_weight_norm, weight_norm

# Loaded when first asked for, so that importing taper stays quick: names and the modules that hold them.
_LAZY = {
    "parametrizations": "parametrizations",
    "parametrize": "parametrize",
    "prune": "prune",
    "stateless": "stateless",
    "fusion": "fusion",
    "fuse_conv_bn_eval": "fusion",
    "fuse_conv_bn_weights": "fusion",
    "fuse_linear_bn_eval": "fusion",
    "fuse_linear_bn_weights": "fusion",
    "skip_init": "init",
    "convert_conv2d_weight_memory_format": "memory_format",
    "convert_conv3d_weight_memory_format": "memory_format",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _importlib.import_module("." + _LAZY[name], __name__)
    globals()[name] = module if _LAZY[name] == name else getattr(module, name)
    return globals()[name]


def __dir__():
    return sorted({*globals(), *_LAZY})
