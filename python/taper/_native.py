"""Normalizations that also return the statistics, and tensors with a given order of strides."""

from . import _C
from .linalg import _with_out

_f = _C._homes["taper"]
_functional = _C._homes["nn.functional"]


def _statistics(x, dims, eps):
    var, mean = _f["var_mean"](x, dims, correction=0, keepdim=True)
    return mean, (var + eps).rsqrt()


def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """layer_norm with the mean and the inverse standard deviation, which keep the dimensions."""
    normalized_shape = tuple(normalized_shape)
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    result = _functional["layer_norm"](input, normalized_shape, weight, bias, eps)
    return result, *_statistics(input.detach(), dims, eps)


def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """group_norm with mean and inverse standard deviation, both of shape [N, group]."""
    result = _functional["group_norm"](input, group, weight, bias, eps)
    mean, scale = _statistics(input.reshape(N, group, C // group * HxW), (2,), eps)
    return result, mean.squeeze(2), scale.squeeze(2)


@_with_out
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """batch_norm with the mean and inverse standard deviation of each channel; both empty in evaluation."""
    batch_norm = _functional["batch_norm"]
    result = batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        empty = _f["empty"]((0,), dtype=input.dtype, device=input.device)
        return result, empty, empty.clone()
    mean, scale = _statistics(input.detach(), tuple(d for d in range(input.ndim) if d != 1), eps)
    return result, mean.flatten(), scale.flatten()


def native_dropout(input, p, train):
    """Dropout and the elements that it keeps."""
    if not train or p == 0:
        return input.clone(), _f["ones_like"](input, dtype=_C.bool)
    kept = _f["rand"](*input.shape, device=input.device) >= p
    return input * kept * (0.0 if p == 1 else 1 / (1 - p)), kept


def native_dropout_backward(grad_output, mask, scale):
    """The gradient of native_dropout, whose scale is 1 / (1 - p)."""
    return grad_output * mask * scale


def _strides(size, order):
    strides, step = [0] * len(size), 1
    for dim in reversed(order):
        strides[dim] = step
        step *= max(size[dim], 1)
    return strides


def empty_permuted(
    size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """An uninitialized dense tensor whose dimensions lie in memory in the given order, outermost first."""
    size, order = tuple(size), tuple(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise _C.ValueError(f"empty_permuted: {order} is no permutation of {len(size)} dimensions")
    result = _f["empty_strided"](size, _strides(size, order), dtype=dtype, device=device)
    return result.requires_grad_() if requires_grad else result


def new_empty_strided(
    self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """An uninitialized tensor of these sizes and strides, of this tensor's dtype."""
    result = _f["empty_strided"](size, stride, dtype=dtype or self.dtype, device=device or self.device)
    return result.requires_grad_() if requires_grad else result
