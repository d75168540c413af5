"""DistributedDataParallel, where PyTorch has it."""

import os

from ..distributed import DistributedDataParallel, _BufferCommHookLocation  # noqa: F401
from ..mixed_precision import MixedPrecision as _MixedPrecision  # noqa: F401

__all__ = ["DistributedDataParallel"]


def _dump_DDP_relevant_env_vars():
    """Prints the environment's variables that launchers and engines go by."""
    names = """RANK LOCAL_RANK WORLD_SIZE MASTER_PORT MASTER_ADDR CUDA_VISIBLE_DEVICES GLOO_SOCKET_IFNAME
        GLOO_DEVICE_TRANSPORT NCCL_SOCKET_IFNAME NCCL_DEBUG NCCL_TOPO_DUMP_FILE NCCL_ALGO NCCL_PROTO
        TORCH_NCCL_ASYNC_ERROR_HANDLING TORCH_DISTRIBUTED_DEBUG TAPER_MASTER_PORT TAPER_BIND_ADDRESS
        TAPER_HEARTBEAT_TIMEOUT"""
    for name in names.split():
        print(f"env:{name}={os.environ.get(name, 'N/A')}")
