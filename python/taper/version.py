"""The version of the library, and what it was built with."""

from ._C import __version__

__all__ = ["__version__", "cuda", "debug", "hip"]

cuda = None
hip = None
debug = False
