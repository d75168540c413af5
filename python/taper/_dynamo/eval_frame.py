"""The class by which programs tell a module that PyTorch's compiler wrapped."""

from ..nn import Module


class OptimizedModule(Module):
    """No module is one: taper.compile gives the module itself."""
