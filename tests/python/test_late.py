"""Names that are loaded when first asked for: all are there, and importing taper loads little."""

import importlib
import subprocess
import sys

import pytest

import taper
from taper import nn

LAYERS = (
    "activation attention container conv dropout flatten linear loss normalization padding pooling rnn sparse "
    "transformer windows"
)


@pytest.mark.parametrize("name", LAYERS.split())
def test_nn_shows_every_layer_of_its_modules(name):
    module = importlib.import_module(f"taper.nn.{name}")
    layers = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == module.__name__
        and not key.startswith("_")
    }
    assert layers and all(getattr(nn, key) is value for key, value in layers.items())


@pytest.mark.parametrize(
    "package",
    [taper, nn, nn.functional, nn.utils, taper.optim, taper.amp, taper.autograd],
    ids=lambda p: p.__name__,
)
def test_every_name_that_dir_tells_is_there(package):
    for name in dir(package):
        getattr(package, name)
    assert not hasattr(package, "no_such_name")
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        package.no_such_name


def test_importing_taper_loads_neither_numpy_nor_layers():
    code = (
        "import sys, taper; taper.nn.Linear; "
        "print(*(name for name in ('numpy', 'dataclasses', 'typing', 'taper.linalg', 'taper.distributed', "
        "'taper.nn.transformer', 'taper.optim.adam') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_functions_win_over_the_modules_that_hold_them():
    code = (
        "import taper.nn.utils.spectral_norm, taper.autograd.gradcheck, taper; "
        "assert callable(taper.nn.utils.spectral_norm) and callable(taper.autograd.gradcheck); "
        "from taper.nn.utils.weight_norm import remove_weight_norm; assert callable(taper.nn.utils.weight_norm); "
        "from taper import *; Tensor, nn, det"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_types_of_tensors_by_element():
    made = taper.LongTensor([1, 2])
    assert made.dtype is taper.int64 and isinstance(made, taper.LongTensor)
    assert not isinstance(made, taper.FloatTensor) and taper.FloatTensor(2, 3).shape == (2, 3)
    assert taper.ones(2).new(1, 2).shape == (1, 2) and made.new([3.0]).dtype is taper.int64
