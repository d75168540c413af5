"""Gradients of convolutions by name."""

from ..autograd import grad
from . import functional as F


def _input(function, input_size, weight, grad_output, options):
    if input_size is None:
        raise ValueError("nn.grad: input_size must be given")
    input = grad_output.new_zeros(tuple(input_size)).requires_grad_()
    return grad(function(input, weight, None, *options), input, grad_output)[0]


def _weight(function, input, weight_size, grad_output, options):
    weight = grad_output.new_zeros(tuple(weight_size)).requires_grad_()
    return grad(function(input, weight, None, *options), weight, grad_output)[0]


def conv1d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv1d with respect to its input."""
    return _input(F.conv1d, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv1d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv1d with respect to its weight."""
    return _weight(F.conv1d, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv2d with respect to its input."""
    return _input(F.conv2d, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv2d with respect to its weight."""
    return _weight(F.conv2d, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv3d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv3d with respect to its input."""
    return _input(F.conv3d, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv3d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv3d with respect to its weight."""
    return _weight(F.conv3d, input, weight_size, grad_output, (stride, padding, dilation, groups))
