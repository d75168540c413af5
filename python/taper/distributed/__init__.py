"""Training on many processes: process groups, collectives, checkpoints, with torch.distributed's names."""

from taper._C import DistributedError as DistError
from taper._C._distributed import ProcessGroup, ReduceOp, Work, is_available, is_initialized

from .bucket import BuiltinCommHookType, GradBucket
from .collectives import (
    P2POp,
    _coalescing_manager,
    all_gather,
    all_gather_coalesced,
    all_gather_into_tensor,
    all_reduce,
    all_reduce_coalesced,
    all_to_all,
    all_to_all_single,
    barrier,
    batch_isend_irecv,
    broadcast,
    gather,
    gather_into_tensor,
    irecv,
    isend,
    monitored_barrier,
    recv,
    reduce,
    reduce_scatter,
    reduce_scatter_tensor,
    scatter,
    send,
    supports_complex,
)
from .debug import DebugLevel, get_debug_level, set_debug_level, set_debug_level_from_env
from .group_methods import (
    AllgatherOptions,
    AllreduceCoalescedOptions,
    AllreduceOptions,
    AllToAllOptions,
    BarrierOptions,
    BroadcastOptions,
    GatherOptions,
    ProcessGroupGloo,
    ReduceOptions,
    ReduceScatterOptions,
    ScatterOptions,
)
from .job import (
    Backend,
    BackendConfig,
    GroupMember,
    _rank_not_in_group,
    abort_process_group,
    default_pg_timeout,
    destroy_process_group,
    get_backend,
    get_backend_config,
    get_default_backend_for_device,
    get_global_rank,
    get_group_rank,
    get_node_local_rank,
    get_pg_count,
    get_process_group_ranks,
    get_rank,
    get_world_size,
    group,
    init_process_group,
    is_backend_available,
    is_gloo_available,
    is_mpi_available,
    is_nccl_available,
    is_torchelastic_launched,
    is_ucc_available,
    is_xccl_available,
    new_group,
    new_subgroups,
    new_subgroups_by_enumeration,
    set_timeout,
    split_group,
)
from .objects import (
    all_gather_object,
    broadcast_object_list,
    gather_object,
    recv_object_list,
    scatter_object_list,
    send_object_list,
)

all_gather_single, gather_single, reduce_scatter_single = (
    all_gather_into_tensor,
    gather_into_tensor,
    reduce_scatter_tensor,
)
reduce_op = ReduceOp
DistBackendError = DistNetworkError = DistStoreError = DistError

# Loaded when first asked for: names and the modules that hold them.
_LAZY = {
    "DeviceMesh": "device_mesh",
    "init_device_mesh": "device_mesh",
    "FileStore": "stores",
    "HashStore": "stores",
    "PrefixStore": "stores",
    "QueueEmptyError": "stores",
    "Store": "stores",
    "TCPStore": "stores",
    "_broadcast_coalesced": "utils",
    "_compute_bucket_assignment_by_size": "utils",
    "_DEFAULT_FIRST_BUCKET_BYTES": "utils",
    "_verify_params_across_processes": "utils",
    "rendezvous": "rendezvous",
    "register_rendezvous_handler": "rendezvous",
    **dict.fromkeys(
        (
            "algorithms",
            "checkpoint",
            "constants",
            "device_mesh",
            "distributed_c10d",
            "elastic",
            "fsdp",
            "launch",
            "launcher",
            "nn",
            "optim",
            "pipelining",
            "ray",
            "run",
            "stores",
            "tensor",
            "utils",
        )
    ),
}

__all__ = [name for name in dir() if not name.startswith("_")] + list(_LAZY)


def __getattr__(name):
    import importlib

    if name not in _LAZY:
        raise AttributeError(f"module 'taper.distributed' has no attribute '{name}'")
    home = importlib.import_module("." + (_LAZY[name] or name), __name__)
    return getattr(home, name) if _LAZY[name] else home
