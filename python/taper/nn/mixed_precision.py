"""Computing a module in another dtype than its parameters have."""

from dataclasses import dataclass

from .. import _C
from ..utils._pytree import tree_map
from .utils.stateless import functional_call


@dataclass
class MixedPrecision:
    """param_dtype   to compute in: parameters and inputs are cast for each pass, gradients arrive in the
                  parameters' own dtype
    reduce_dtype  to average gradients in; param_dtype unless given
    buffer_dtype  of buffers, which are cast once

    Only floating-point tensors are cast.
    """

    param_dtype: _C.dtype | None = None
    reduce_dtype: _C.dtype | None = None
    buffer_dtype: _C.dtype | None = None


def cast_inputs(value, dtype):
    """The value with its floating-point tensors in this dtype, also those within containers."""

    def cast(leaf):
        return leaf.to(dtype) if isinstance(leaf, _C.Tensor) and leaf.is_floating_point() else leaf

    return tree_map(cast, value)


def cast_buffers(module, dtype, ignored):
    """The buffers of the module in this dtype, but for those with these names."""
    for prefix, part in module.named_modules():
        for name, buffer in part._buffers.items():
            full = f"{prefix}.{name}" if prefix else name
            if buffer is not None and buffer.is_floating_point() and full not in ignored:
                part._buffers[name] = buffer.to(dtype)


def call_cast(module, dtype, ignored, args, kwargs):
    """module(*args, **kwargs) with inputs and parameters, but for those with these names, in this dtype."""
    cast = {
        name: parameter.to(dtype)
        for name, parameter in module.named_parameters()
        if parameter.is_floating_point() and name not in ignored
    }
    return functional_call(module, cast, cast_inputs(args, dtype), cast_inputs(kwargs, dtype))
