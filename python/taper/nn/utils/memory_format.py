"""Weights of convolutions in other memory formats."""

from ..conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d


def _convert(module, kinds, memory_format):
    for child in module.modules():
        if isinstance(child, kinds):
            child.weight.data = child.weight.detach().contiguous(memory_format)
    return module


def convert_conv2d_weight_memory_format(module, memory_format):
    """Converts the weights of all two-dimensional convolutions within module."""
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module, memory_format):
    """Converts the weights of all three-dimensional convolutions within module."""
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
