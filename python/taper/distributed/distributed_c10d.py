"""The names of taper.distributed, where PyTorch's programs also look for them, and those of inner functions
that such programs use."""

from datetime import timedelta

from taper import _C

from . import *  # noqa: F403
from . import collectives, objects
from .job import (  # noqa: F401
    _c,
    _check_backend,
    _rank_not_in_group,
    _resolve,
    _separate_group,
    default_pg_timeout,
    get_backend,
    get_backend_config,
    get_global_rank,
    get_group_rank,
    get_process_group_ranks,
    new_group,
    set_timeout,
)
from .rendezvous import register_rendezvous_handler, rendezvous  # noqa: F401
from .stores import PrefixStore, Store  # noqa: F401
from .utils import _broadcast_coalesced, _compute_bucket_assignment_by_size  # noqa: F401

_set_pg_timeout = set_timeout
_get_global_rank = get_global_rank
_check_single_tensor, _check_tensor_list = collectives._check_tensor, collectives._check_list


class _Groups:
    """The groups of this process. The dictionaries are made when asked for; writing to them changes
    nothing."""

    @property
    def default_pg(self):
        """The group of all ranks, or None."""
        return _c._default_group() if _c.is_initialized() else None

    @property
    def pg_names(self):
        """Names by group."""
        return {group: group.group_name for group in _c._living_groups()}

    @property
    def pg_map(self):
        """(backend, store) by group."""
        return {group: (get_backend(group), _get_default_store()) for group in _c._living_groups()}

    @property
    def pg_group_ranks(self):
        """By group: ranks in it by ranks in the job."""
        return {g: {rank: i for i, rank in enumerate(g._global_ranks)} for g in _c._living_groups()}

    @property
    def pg_backend_config(self):
        """Engines by device, by group."""
        return {group: get_backend_config(group) for group in _c._living_groups()}

    @property
    def group_count(self):
        """How many groups there are."""
        return len(_c._living_groups())


_world = _Groups()


def _get_default_group():
    return _resolve(None)


def _get_default_store():
    """The store of the job."""
    return _c._store()


def _group_or_default_group(group=None):
    return _resolve(group)


def _get_process_group_name(pg):
    return pg.group_name


def _resolve_process_group(group_name):
    """The group of this name."""
    for group in _c._living_groups():
        if group.group_name == str(group_name):
            return group
    raise ValueError(f"there is no process group {group_name!r} in this process")


def _get_group_size(group=None):
    return _resolve(group).size()


def _find_pg_by_ranks_and_tag(tag, ranks):
    """The living group of these ranks, or None. Groups have no tags, so the tag must be empty."""
    if tag:
        raise ValueError(f"_find_pg_by_ranks_and_tag: groups have no tags, got {tag!r}")
    found = (group for group in _c._living_groups() if sorted(group._global_ranks) == sorted(ranks))
    return next(found, None)


def _find_or_create_pg_by_ranks_and_tag(tag, ranks, stride=None):
    """The living group of that part of the ranks, of `stride` each, in which this process is; where there is
    none it is made, by all processes of the job."""
    if stride is not None and len(ranks) % stride:
        raise ValueError(f"group_size={stride} does not divide the {len(ranks)} ranks")
    parts = [ranks] if stride is None else [ranks[i : i + stride] for i in range(0, len(ranks), stride)]
    own = [part for part in parts if _c._default_group().rank() in part]
    if not own:
        raise RuntimeError(f"rank {_c._default_group().rank()} is in no group of {ranks}")
    found = _find_pg_by_ranks_and_tag(tag, own[0])
    if found is not None:
        return found
    return [new_group(part) for part in parts][parts.index(own[0])]


def _canonicalize_group_rank(group, global_rank=None, group_rank=None, return_global=False):
    """The rank meant by one of the two, in the group or (return_global) in the job."""
    if (global_rank is None) == (group_rank is None):
        raise ValueError("Must specify global_rank or group_rank, and not both")
    if group_rank is not None:
        return get_global_rank(group, group_rank) if return_global else group_rank
    in_group = get_group_rank(group, global_rank)
    return global_rank if return_global else in_group


def _check_not_self_rank(group, rank, rank_type):
    if group.rank() == rank:
        raise ValueError(
            f"Invalid {rank_type} rank: {rank_type} rank should not be the same as the rank of the "
            "current process."
        )


def _get_pg_default_device(group=None):
    """Where tensors for this group are best: on CUDA where there is a device."""
    return _C.device("cuda" if get_backend(group) == "nccl" else "cpu")


def _get_object_coll_device(group=None):
    return "cpu"


def _object_to_tensor(obj, device="cpu", group=None):
    """(the value as bytes, as collectives of objects send it, and their number)."""
    packed = objects._to_tensor(obj).to(device)
    return packed, objects._size_of(packed).to(device)


def _tensor_to_object(tensor, tensor_size, group=None):
    """The value that _object_to_tensor packed."""
    return objects._from_tensor(tensor.cpu(), int(tensor_size))


def _get_pg_config(group=None):
    """What there is to know of a group."""
    group = _resolve(group)
    return {
        "pg_name": group.group_name,
        "pg_desc": group.group_desc,
        "backend_config": get_backend_config(group),
        "pg_size": group.size(),
        "ranks": get_process_group_ranks(group),
    }


def _get_all_pg_configs():
    return [_get_pg_config(group) for group in _c._living_groups()]


def _get_default_timeout(backend):
    return default_pg_timeout


def _store_based_barrier(
    rank, store, group_name, rendezvous_count, timeout, logging_interval=timedelta(seconds=10)
):
    """Waits until as many ranks have come here with this store; raises DistStoreError after the timeout."""
    key = f"store_based_barrier_key:{group_name}"
    here = store.add(key, 1)
    if here == rendezvous_count:
        store.set(key + ":last", "1")
    try:
        store.wait([key + ":last"], timeout)
    except _C.DistributedError as error:
        raise _C.DistributedError(
            f"Timed out initializing process group in store based barrier on rank {rank}, for key {key}: "
            f"{store.add(key, 0)} of {rendezvous_count} came within {timeout.total_seconds():g} s"
        ) from error


def _new_process_group_helper(
    group_size,
    group_rank,
    global_ranks_in_group,
    backend,
    store,
    group_name="",
    backend_options=None,
    timeout=None,
    pg_tag=None,
    device_id=None,
    group_desc=None,
    pg_options=None,
):
    """(a group of processes that share the store, the store): a job of its own, beside the default group,
    whose ranks are 0 to group_size - 1. It fails, and ends, by itself."""
    if global_ranks_in_group:
        raise ValueError("_new_process_group_helper: parts of the default group are made by new_group")
    _check_backend(backend)
    return _separate_group(store, group_rank, group_size, timeout), store


Reducer = _C._distributed.GradientReducer
