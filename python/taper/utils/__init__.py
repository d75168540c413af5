"""What surrounds training: data loading and more, each imported when it is first used."""

import importlib as _importlib


def __getattr__(name):
    try:
        return _importlib.import_module("." + name, __name__)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    raise AttributeError(f"module 'taper.utils' has no attribute '{name}'")
