"""Functions of functions and modules."""

from .nn.utils.stateless import functional_call
