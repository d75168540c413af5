"""Tensors of which each rank holds a part."""

from ..device_mesh import DeviceMesh, init_device_mesh
from .placement import Partial, Placement, Replicate, Shard
from .sharded import ShardedParameter, distribute_parameter

__all__ = [
    "DeviceMesh",
    "Partial",
    "Placement",
    "Replicate",
    "Shard",
    "ShardedParameter",
    "distribute_parameter",
    "init_device_mesh",
    "parallel",
]


def __getattr__(name):
    import importlib

    if name == "parallel":
        return importlib.import_module("." + name, __name__)
    raise AttributeError(f"module 'taper.distributed.tensor' has no attribute '{name}'")
