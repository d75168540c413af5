"""Parameters, gradients and optimizer state divided among processes: Rajbhandari et al. 2020,
arXiv:1910.02054, stages 2 and 3; Zhao et al. 2023, arXiv:2304.11277."""

from . import api
from .api import *
from .fsdp_module import FSDPModule, UnshardHandle, register_fsdp_forward_method, share_comm_ctx
from .fully_shard import fully_shard
from .fully_sharded_data_parallel import FullyShardedDataParallel
from .policies import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy

__all__ = api.__all__ + [
    "CPUOffloadPolicy",
    "FSDPModule",
    "FullyShardedDataParallel",
    "MixedPrecisionPolicy",
    "OffloadPolicy",
    "UnshardHandle",
    "fully_shard",
    "register_fsdp_forward_method",
    "share_comm_ctx",
]


def __getattr__(name):
    import importlib

    if name == "wrap":
        return importlib.import_module("." + name, __name__)
    raise AttributeError(f"module 'taper.distributed.fsdp' has no attribute '{name}'")
