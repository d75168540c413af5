"""Limits of element types."""

import numpy

from . import _C

# Of types that NumPy does not know: bits, eps, max, the smallest normal number, resolution.
_LIMITS = {
    _C.bfloat16: (16, 2.0**-7, float.fromhex("0x1.fep127"), 2.0**-126, 0.01),
    _C.float8_e4m3fn: (8, 2.0**-3, 448.0, 2.0**-6, 1.0),
    _C.float8_e4m3fnuz: (8, 2.0**-3, 240.0, 2.0**-7, 1.0),
    _C.float8_e5m2: (8, 2.0**-2, 57344.0, 2.0**-14, 1.0),
    _C.float8_e5m2fnuz: (8, 2.0**-2, 57344.0, 2.0**-15, 1.0),
    _C.float8_e8m0fnu: (8, 1.0, 2.0**127, 2.0**-127, 1.0),  # powers of two, none negative
}


class finfo:
    """Limits of a floating type: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type=None):
        self._dtype = _C.get_default_dtype() if type is None else type
        if not (self._dtype.is_floating_point or self._dtype.is_complex):
            raise TypeError(f"finfo: needs a floating type, got {self._dtype}")
        real = self._dtype if self._dtype in _LIMITS else self._dtype.to_real()
        self.dtype = str(real).split(".")[-1]
        if real in _LIMITS:
            self.bits, self.eps, self.max, self.tiny, self.resolution = _LIMITS[real]
        else:
            limits = numpy.finfo(self.dtype)
            self.bits, self.eps, self.max = limits.bits, float(limits.eps), float(limits.max)
            self.tiny, self.resolution = float(limits.tiny), float(limits.resolution)
        self.smallest_normal = self.tiny
        self.min = -self.max if real.is_signed else self.tiny

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type: bits, max, min."""

    def __init__(self, type):
        if type.is_floating_point or type.is_complex or type is _C.bool:
            raise TypeError(f"iinfo: needs an integer type, got {type}")
        self.dtype = str(type).split(".")[-1]
        limits = numpy.iinfo(self.dtype)
        self.bits, self.max, self.min = limits.bits, int(limits.max), int(limits.min)

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
