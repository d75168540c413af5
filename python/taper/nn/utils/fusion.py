"""Batch norms in evaluation folded into the layer before."""

import copy

from ... import _C
from ..parameter import Parameter

_ops = _C._homes["taper"]


def _folded(weight, bias, mean, var, eps, scale, shift, shape):
    factor = _ops["rsqrt"](var + eps) if scale is None else scale * _ops["rsqrt"](var + eps)
    offset = -mean if bias is None else bias - mean
    new_bias = offset * factor if shift is None else offset * factor + shift
    new_weight = weight * factor.reshape(shape)
    bias_dtype = weight.dtype if bias is None else bias.dtype
    trained = bias.requires_grad if bias is not None else False
    return (
        Parameter(new_weight.detach().to(weight.dtype), weight.requires_grad),
        Parameter(new_bias.detach().to(bias_dtype), trained),
    )


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """The weight and bias of a convolution that does what conv and then the batch norm do."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _folded(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """The weight and bias of a linear layer that does what linear and then the batch norm do."""
    return _folded(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fused(layer, bn, weights, *options):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *options
    )
    return fused


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A copy of conv that does what conv and then bn do; both must be in evaluation."""
    return _fused(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear, bn):
    """A copy of linear that does what linear and then bn do; both must be in evaluation."""
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    return _fused(linear, bn, fuse_linear_bn_weights)
