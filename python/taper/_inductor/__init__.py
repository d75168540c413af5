"""The inner name of PyTorch's code generator, of which only the settings exist."""

from . import config
