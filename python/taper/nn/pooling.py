"""Pooling layers."""

from . import functional as F
from .module import Module

__all__ = [
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
]


class _MaxPool(Module):
    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input):
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input):
        options = {} if self.divisor_override is None else {"divisor_override": self.divisor_override}
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            **options,
        )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptivePool(Module):
    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def _sizes(self):
        if isinstance(self.output_size, (tuple, list)):
            return tuple(-1 if size is None else size for size in self.output_size)
        return -1 if self.output_size is None else self.output_size

    def forward(self, input):
        if self.return_indices:
            return self._function(input, self._sizes(), True)
        return self._function(input, self._sizes())

    def extra_repr(self):
        return f"output_size={self.output_size}"


class MaxPool1d(_MaxPool):
    """Largest element of each window over 1 dimension."""

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """Largest element of each window over 2 dimensions."""

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """Largest element of each window over 3 dimensions."""

    _function = staticmethod(F.max_pool3d)


class AvgPool1d(_AvgPool):
    """Average of each window over 1 dimension."""

    _function = staticmethod(F.avg_pool1d)


class AvgPool2d(_AvgPool):
    """Average of each window over 2 dimensions."""

    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """Average of each window over 3 dimensions."""

    _function = staticmethod(F.avg_pool3d)


class AdaptiveAvgPool1d(_AdaptivePool):
    """Windows chosen to give output_size over 1 dimension."""

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Windows chosen to give output_size over 2 dimensions."""

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """Windows chosen to give output_size over 3 dimensions."""

    _function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_AdaptivePool):
    """Windows chosen to give output_size over 1 dimension."""

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptivePool):
    """Windows chosen to give output_size over 2 dimensions."""

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptivePool):
    """Windows chosen to give output_size over 3 dimensions."""

    _function = staticmethod(F.adaptive_max_pool3d)
