"""Tensors of which each rank holds a part."""

from ..device_mesh import DeviceMesh, init_device_mesh
from .dtensor import DTensor, distribute_tensor, empty, full, ones, rand, randn, zeros
from .modules import distribute_module
from .parameter import distribute_parameter
from .placement_types import Partial, Placement, Replicate, Shard

__all__ = [
    "DTensor",
    "DeviceMesh",
    "Partial",
    "Placement",
    "Replicate",
    "Shard",
    "distribute_module",
    "distribute_parameter",
    "distribute_tensor",
    "empty",
    "full",
    "init_device_mesh",
    "ones",
    "parallel",
    "rand",
    "randn",
    "zeros",
]


def __getattr__(name):
    import importlib

    if name in ("debug", "experimental", "parallel"):
        return importlib.import_module("." + name, __name__)
    raise AttributeError(f"module 'taper.distributed.tensor' has no attribute '{name}'")
