"""Limits of element types."""

import numpy

from . import _C


class finfo:
    """Limits of a floating type: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type=None):
        self._dtype = _C.get_default_dtype() if type is None else type
        if not (self._dtype.is_floating_point or self._dtype.is_complex):
            raise TypeError(f"finfo: needs a floating type, got {self._dtype}")
        real = self._dtype.to_real()
        self.dtype = str(real).split(".")[-1]
        if real is _C.bfloat16:
            self.bits, self.eps, self.max = 16, 2.0**-7, float.fromhex("0x1.fep127")
            self.tiny = self.smallest_normal = 2.0**-126
            self.resolution = 0.01
        else:
            limits = numpy.finfo(self.dtype)
            self.bits, self.eps, self.max = limits.bits, float(limits.eps), float(limits.max)
            self.tiny = self.smallest_normal = float(limits.tiny)
            self.resolution = float(limits.resolution)
        self.min = -self.max

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type: bits, max, min."""

    def __init__(self, type):
        if type.is_floating_point or type.is_complex or type is getattr(_C, "bool"):
            raise TypeError(f"iinfo: needs an integer type, got {type}")
        self.dtype = str(type).split(".")[-1]
        limits = numpy.iinfo(self.dtype)
        self.bits, self.max, self.min = limits.bits, int(limits.max), int(limits.min)

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
