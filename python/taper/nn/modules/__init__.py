"""The paths under which PyTorch keeps its layers: taper.nn.modules.conv and so on."""

import importlib as _importlib
import sys as _sys
import types as _types

from .. import (
    _hooks,
    adaptive,
    attention,
    container,
    conv,
    dropout,
    flatten,
    lazy,
    linear,
    loss,
    module,
    normalization,
    padding,
    pooling,
    rnn,
    sparse,
    transformer,
)
from .. import activation as _activation
from ..module import Module
from . import utils

# PyTorch's name of the module -> the modules here that hold its contents.
_HOMES = {
    "activation": [_activation, attention],
    "batchnorm": [normalization],
    "distance": [loss],
    "fold": [],
    "instancenorm": [normalization],
    "pixelshuffle": [flatten],
    "upsampling": [padding],
    "channelshuffle": [],
    "adaptive": [adaptive],
    "lazy": [lazy],
    "conv": [conv],
    "container": [container],
    "dropout": [dropout],
    "flatten": [flatten],
    "linear": [linear, flatten],
    "loss": [loss],
    "module": [module, _hooks],
    "normalization": [normalization],
    "padding": [padding],
    "pooling": [pooling],
    "rnn": [rnn],
    "sparse": [sparse],
    "transformer": [transformer],
}

# PyTorch's names of the classes that layers of one kind share.
_SHARED = {
    "conv": {"_ConvNd": conv._Convolution, "_ConvTransposeNd": conv._Transposed},
    "dropout": {"_DropoutNd": dropout._Dropout},
    "loss": {"_WeightedLoss": loss._Loss},
    "pooling": {
        "_MaxPoolNd": pooling._MaxPool,
        "_AvgPoolNd": pooling._AvgPool,
        "_AdaptiveAvgPoolNd": pooling._AdaptivePool,
        "_AdaptiveMaxPoolNd": pooling._AdaptivePool,
    },
    "padding": {
        "_ConstantPadNd": padding._ConstantPad,
        "_ReflectionPadNd": padding._Pad,
        "_ReplicationPadNd": padding._Pad,
    },
    "rnn": {"RNNBase": rnn._Recurrent, "RNNCellBase": rnn._Cell},
    "module": {"_addindent": module._indent},
    "transformer": {"_get_clones": transformer._clones, "_get_activation_fn": transformer._activation},
    "linear": {"NonDynamicallyQuantizableLinear": linear.Linear},
}


class _Alias(_types.ModuleType):
    """A module that looks names up where they live, and else in taper.nn."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        layers = _importlib.import_module("taper.nn")
        for home in [*_HOMES[self.__name__.rpartition(".")[2]], layers]:
            if hasattr(home, name):
                return getattr(home, name)
        raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")


for _name in _HOMES:
    _alias = _Alias(f"{__name__}.{_name}", f"PyTorch's path of what taper.nn has under {_name}.")
    _alias.__dict__.update(_SHARED.get(_name, {}))
    _sys.modules[_alias.__name__] = globals()[_name] = _alias


def __getattr__(name):
    layers = _importlib.import_module("taper.nn")
    if not name.startswith("_") and hasattr(layers, name):
        return getattr(layers, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
