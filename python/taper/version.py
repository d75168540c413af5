"""The version of the library, and what it was built with."""

from ._C import __version__

cuda = None
hip = None
debug = False
