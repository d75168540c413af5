"""autocast by PyTorch's path."""

from . import autocast
