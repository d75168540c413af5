"""Padding and resizing layers."""

from . import functional as F
from .module import Module

__all__ = [
    "ReflectionPad1d",
    "ReplicationPad1d",
    "CircularPad1d",
    "ConstantPad1d",
    "ZeroPad1d",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "CircularPad2d",
    "ConstantPad2d",
    "ZeroPad2d",
    "ReflectionPad3d",
    "ReplicationPad3d",
    "CircularPad3d",
    "ConstantPad3d",
    "ZeroPad3d",
    "Upsample",
    "UpsamplingNearest2d",
    "UpsamplingBilinear2d",
]


class _Pad(Module):
    _dims, _mode = 0, ""

    def __init__(self, padding):
        super().__init__()
        count = 2 * self._dims
        self.padding = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * count

    def forward(self, input):
        if self._mode == "circular" and input.ndim - self._dims not in (1, 2):
            raise ValueError(
                f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.ndim}D input)"
            )
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class _Zeros:
    """A constant padding of 0."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ReflectionPad1d(_Pad):
    """Padding of 1 dimension by mode reflect."""

    _dims, _mode = 1, "reflect"


class ReplicationPad1d(_Pad):
    """Padding of 1 dimension by mode replicate."""

    _dims, _mode = 1, "replicate"


class CircularPad1d(_Pad):
    """Padding of 1 dimension by mode circular."""

    _dims, _mode = 1, "circular"


class ConstantPad1d(_ConstantPad):
    """Padding of 1 dimension with one value."""

    _dims = 1


class ZeroPad1d(_Zeros, ConstantPad1d):
    """Padding of 1 dimension with zeros."""


class ReflectionPad2d(_Pad):
    """Padding of 2 dimensions by mode reflect."""

    _dims, _mode = 2, "reflect"


class ReplicationPad2d(_Pad):
    """Padding of 2 dimensions by mode replicate."""

    _dims, _mode = 2, "replicate"


class CircularPad2d(_Pad):
    """Padding of 2 dimensions by mode circular."""

    _dims, _mode = 2, "circular"


class ConstantPad2d(_ConstantPad):
    """Padding of 2 dimensions with one value."""

    _dims = 2


class ZeroPad2d(_Zeros, ConstantPad2d):
    """Padding of 2 dimensions with zeros."""


class ReflectionPad3d(_Pad):
    """Padding of 3 dimensions by mode reflect."""

    _dims, _mode = 3, "reflect"


class ReplicationPad3d(_Pad):
    """Padding of 3 dimensions by mode replicate."""

    _dims, _mode = 3, "replicate"


class CircularPad3d(_Pad):
    """Padding of 3 dimensions by mode circular."""

    _dims, _mode = 3, "circular"


class ConstantPad3d(_ConstantPad):
    """Padding of 3 dimensions with one value."""

    _dims = 3


class ZeroPad3d(_Zeros, ConstantPad3d):
    """Padding of 3 dimensions with zeros."""


class Upsample(Module):
    """Resizes by size or scale_factor."""

    def __init__(
        self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None
    ):
        super().__init__()
        if isinstance(scale_factor, tuple):
            scale_factor = tuple(float(factor) for factor in scale_factor)
        elif scale_factor:
            scale_factor = float(scale_factor)
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input):
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self):
        how = (
            f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        )
        return f"{how}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with mode nearest."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample with mode bilinear and aligned corners."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "bilinear", True)
