"""Names of a package that are loaded when they are first asked for, so that importing taper is quick."""

import importlib
import sys
import types


class _Package(types.ModuleType):
    """A package in which some functions are called as the modules that hold them: the functions win."""

    def __setattr__(self, name, value):
        if isinstance(value, types.ModuleType) and name in self.__dict__.get("_home_of", ()):
            value = getattr(value, name)
        super().__setattr__(name, value)


def late(package, homes, modules=""):
    """__getattr__ and __dir__ of a package, or of a module for names of its neighbours.

    homes: module -> the names that the package shows of it, instead of what it has under them; modules:
    those that are attributes themselves.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    submodules = modules.split()
    module = sys.modules[package]
    space = module.__dict__
    for name in home_of:
        space.pop(name, None)
    space["_home_of"] = home_of
    parent = package if hasattr(module, "__path__") else package.rpartition(".")[0]
    module.__class__ = _Package

    def get(name):
        if name == "__all__":  # from package import *
            return [name for name in names() if not name.startswith("_")]
        if name not in home_of and name not in submodules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        loaded = importlib.import_module("." + home_of.get(name, name), parent)
        space[name] = getattr(loaded, name) if name in home_of else loaded
        return space[name]

    def names():
        return sorted({*space, *home_of, *submodules} - {"_home_of"})

    return get, names


class LateMethod:
    """A method whose function lives in a module that is loaded by its first use."""

    def __init__(self, owner, module, name):
        self.owner, self.module, self.name = owner, module, name

    def __get__(self, instance, owner=None):
        function = getattr(importlib.import_module(self.module), self.name)
        if not hasattr(function, "__get__"):
            function = _as_method(function)
        setattr(self.owner, self.name, function)
        return getattr(owner if instance is None else instance, self.name)


def _as_method(function):
    return lambda self, *args, **kwargs: function(self, *args, **kwargs)


def late_methods(owner, module, names):
    """Gives owner the functions of module with these names as methods, unless it has its own."""
    for name in names.split():
        if not hasattr(owner, name) or name.startswith("__"):
            setattr(owner, name, LateMethod(owner, module, name))
