"""The job of this process: the default process group, further groups, ranks."""

import atexit
import os
import socket
import sys
from datetime import timedelta

from taper import _C

_c = _C._distributed

default_pg_timeout = timedelta(minutes=30)


class Backend(str):
    """The name of an engine for collectives."""

    GLOO, NCCL, MPI, UCC, UNDEFINED = "gloo", "nccl", "mpi", "ucc", "undefined"
    backend_list = [UNDEFINED, GLOO, NCCL]
    default_device_backend_map = {"cpu": GLOO, "cuda": NCCL}
    backend_capability = {GLOO: ["cpu"], NCCL: ["cuda"]}

    def __new__(cls, name):
        if not isinstance(name, str):
            raise ValueError(f"Backend constructor parameter must be string-ish, got {name!r}")
        return super().__new__(cls, name.lower())


class BackendConfig:
    """Engines by device, of "gloo", "nccl" or "cpu:gloo,cuda:nccl"."""

    def __init__(self, backend):
        name = str(backend).lower()
        if ":" not in name:
            devices = Backend.backend_capability.get(name, list(Backend.default_device_backend_map))
            self.device_backend_map = {device: Backend(name) for device in devices}
            return
        self.device_backend_map = {}
        for part in name.split(","):
            device, colon, engine = part.strip().partition(":")
            if not colon or ":" in engine:
                raise ValueError(f"Invalid device:backend pairing: {part!r} in {backend!r}")
            if device in self.device_backend_map:
                raise ValueError(f"Duplicate device type {device} in backend string: {backend!r}")
            self.device_backend_map[device] = Backend(engine)

    def get_device_backend_map(self):
        """Engines by device."""
        return self.device_backend_map

    def __repr__(self):
        return ",".join(f"{device}:{engine}" for device, engine in self.device_backend_map.items())


class _NonMember:
    def __repr__(self):
        return "<no member of the group>"


class _World(type):
    @property
    def WORLD(cls):
        return _c._default_group() if _c.is_initialized() else None


class GroupMember(metaclass=_World):
    """WORLD: the default group; NON_GROUP_MEMBER: what new_group gives to processes that are not in it."""

    NON_GROUP_MEMBER = _NonMember()


class group(metaclass=_World):
    """group.WORLD: the default group."""


def is_gloo_available():
    """Whether this build has Gloo."""
    return _c.is_available()


def is_nccl_available():
    """Whether there is a CUDA device, whose tensors NCCL moves."""
    return _C._cuda_available()


def is_mpi_available():
    """False: MPI starts processes here, it does not move tensors. Nor do UCC and XCCL."""
    return False


is_ucc_available = is_xccl_available = is_mpi_available


def is_backend_available(backend):
    """Whether this build has the engine."""
    name = str(backend).lower()
    return (name == "gloo" and is_gloo_available()) or (name == "nccl" and is_nccl_available())


def get_default_backend_for_device(device):
    """The name of the engine for tensors on a device."""
    kind = str(device).split(":")[0]
    if kind not in _ENGINES:
        raise ValueError(f"Default backend not registered for device : {device}")
    return _ENGINES[kind]


def is_torchelastic_launched():
    """Whether torchrun, or taper.distributed.run, started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


# What moves tensors, by where they are. Every group has both.
_ENGINES = {"cpu": "gloo", "cuda": "nccl"}


def _check_backend(backend):
    """Whether the engines asked for are those there are: "gloo", "nccl" or "cpu:gloo,cuda:nccl"."""
    for part in str(backend).lower().split(",") if backend is not None else ():
        device, _, engine = part.rpartition(":")
        if engine not in _ENGINES.values() or (device and _ENGINES.get(device) != engine):
            raise ValueError(
                f"init_process_group: the backend {backend!r} is not available: this build moves tensors in "
                "main memory with 'gloo', and those on CUDA devices with 'nccl'"
            )
        if engine == "nccl" and not is_nccl_available():
            raise ValueError(
                "init_process_group: the backend 'nccl' is not available, as it needs a CUDA device: "
                f"{_C._cuda_why_unavailable()}; use 'gloo'"
            )


# What the program calls its groups, by their names; and how many were made.
_descriptions, _made = {}, [0]


def _seconds(timeout, default=default_pg_timeout):
    if timeout is None:
        return default
    if not isinstance(timeout, timedelta):
        raise TypeError(f"Expected timeout argument to be of type datetime.timedelta, got {timeout!r}")
    return timeout


def init_process_group(
    backend=None,
    init_method=None,
    timeout=None,
    world_size=-1,
    rank=-1,
    store=None,
    group_name="",
    pg_options=None,
    device_id=None,
):
    """Makes the default group of all processes of the job.

    init_method  "env://" (also None): ranks and address from the environment, as torchrun,
                 taper.distributed.run, mpirun and srun set it. "tcp://host:port": rank 0 listens there.
                 "file:///path": a file that all processes see, for one machine. The last two need rank and
                 world_size.
    store        instead of init_method: a TCPStore or another that all processes share; needs rank and
                 world_size
    timeout      a timedelta (30 minutes): a collective that a rank does not join fails after it; a rank that
                 dies is noticed at once, one that is stopped within 5 seconds

    Peers must know the job's secret: see docs/distributed.md.
    """
    if not _c.is_available():
        raise _C.DistributedError(
            "init_process_group: this build of Taper has no transport; install one with apt-get "
            "install libgloo-dev libssl-dev and build Taper again"
        )
    if store is not None and init_method is not None:
        raise ValueError("init_process_group: got init_method and store, expected one of them")
    _check_backend(backend)
    method = "env://" if init_method is None else init_method
    if store is None and _has_handler_of_its_own(method):
        from .rendezvous import rendezvous

        store, rank, world_size = next(iter(rendezvous(method, rank, world_size, _seconds(timeout))))
    if store is not None:
        method = _address_from(store, rank, world_size)
    _c._init(method, rank, world_size, _seconds(timeout))
    _descriptions.clear()
    _made[0] = 1
    atexit.register(_at_exit, os.getpid())


def _has_handler_of_its_own(method):
    from .rendezvous import _handlers

    scheme = method.partition("://")[0]
    return scheme in _handlers and scheme not in ("env", "tcp", "file")


def _separate_group(store, rank, size, timeout=None):
    """A group of processes that share the store, which is a job of its own beside the default group."""
    group = _c._separate_group(_address_from(store, rank, size), rank, size, _seconds(timeout))
    atexit.register(_at_exit, os.getpid())
    return group


def _address_from(store, rank, world_size):
    """Rank 0 tells by the store where it listens. Each use of a store is a meeting of its own."""
    if rank < 0 or world_size < 1:
        raise ValueError("init_process_group: with store, rank and world_size must be given")
    key = f"taper/meeting/{store.add(f'taper/meetings/{rank}', 1)}"
    if rank == 0:
        inner = store
        while hasattr(inner, "underlying_store"):
            inner = inner.underlying_store
        link = getattr(getattr(inner, "_connection", None), "link", None)
        host = link.getsockname()[0] if link is not None else "127.0.0.1"
        with socket.socket() as probe:
            probe.bind((host, 0))
            store.set(key, f"tcp://{host}:{probe.getsockname()[1]}")
    return store.get(key).decode()


def _at_exit(process):
    if os.getpid() != process or not _c._living_groups():
        return
    error = getattr(sys, "last_value", None)
    try:
        if error is not None and _c.is_initialized():
            _c._abort(f"{type(error).__name__}: {error}")
        _c._destroy()
    except _C.DistributedError:
        pass  # the others are gone already


def abort_process_group(reason="abort_process_group() was called"):
    """Tells the other ranks that this process gives up, and why; their collectives fail at once."""
    _c._abort(reason)


def destroy_process_group(group=None):
    """Ends a group; without argument all groups, and the job's rendezvous."""
    if group is GroupMember.NON_GROUP_MEMBER:
        return
    if group is None or group is GroupMember.WORLD:
        if not _c._living_groups():
            raise AssertionError("destroy_process_group: there is no process group")
        _c._destroy()
    else:
        _c._destroy_group(group)


def get_pg_count():
    """How many groups were made, the default one included, also those that this process is not in."""
    return _made[0] if _c.is_initialized() else 0


def new_group(
    ranks=None,
    timeout=None,
    backend=None,
    pg_options=None,
    use_local_synchronization=False,
    group_desc=None,
    device_id=None,
):
    """A group of some ranks (of all, without argument). All processes of the job call it, in the same order;
    those that are not in the group get GroupMember.NON_GROUP_MEMBER. With use_local_synchronization only
    those in the group need to call it."""
    _check_backend(backend)
    ranks = list(range(get_world_size()) if ranks is None else ranks)
    if use_local_synchronization and _c._default_group().rank() not in ranks:
        return GroupMember.NON_GROUP_MEMBER
    _made[0] += 1
    made = _c._new_group(ranks, None if timeout is None else _seconds(timeout), use_local_synchronization)
    if made is None:
        return GroupMember.NON_GROUP_MEMBER
    _descriptions[made.group_name] = group_desc or "undefined"
    return made


def new_subgroups(group_size=None, group=None, timeout=None, backend=None, pg_options=None, group_desc=None):
    """(own group, all groups) of group_size neighbouring ranks each, of the ranks of a group."""
    ranks = get_process_group_ranks(group)
    world = len(ranks)
    if group_size is None:
        if not is_nccl_available():
            raise ValueError(
                "new_subgroups: Default group size only takes effect where CUDA devices are available; give "
                "group_size"
            )
        group_size = _C._cuda_device_count()
    if group_size < 1:
        raise ValueError(f"new_subgroups: The arg 'group_size' ({group_size}) must be positive")
    if group_size > world:
        raise ValueError(
            f"new_subgroups: The arg 'group_size' ({group_size}) must not exceed the world size ({world})"
        )
    if world % group_size:
        raise ValueError(
            f"new_subgroups: The world size ({world}) must be divisible by 'group_size={group_size}'"
        )
    parts = [ranks[start : start + group_size] for start in range(0, world, group_size)]
    return new_subgroups_by_enumeration(parts, timeout, backend)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list, timeout=None, backend=None, pg_options=None, group_desc=None
):
    """(own group, all groups) of the ranks listed, each in one list at most."""
    if not ranks_per_subgroup_list:
        raise ValueError("new_subgroups_by_enumeration: 'ranks_per_subgroup_list' cannot be empty")
    part_of = {}
    for part in ranks_per_subgroup_list:
        for rank in part:
            if rank in part_of:
                raise ValueError(
                    f"new_subgroups_by_enumeration: Rank {rank} has appeared in both subgroup "
                    f"{part_of[rank]} and {part}"
                )
            part_of[rank] = part
    groups = [new_group(part, timeout, backend) for part in ranks_per_subgroup_list]
    own = [made for made in groups if made is not GroupMember.NON_GROUP_MEMBER]
    return own[0] if own else None, groups


def split_group(parent_pg=None, split_ranks=None, timeout=None, pg_options=None, group_desc=None):
    """The group of this rank, of those that the lists of ranks in parent_pg make; None for a rank in no list.
    All processes of the job call it."""
    parent = get_process_group_ranks(parent_pg)
    if not split_ranks or any(not 0 <= rank < len(parent) for part in split_ranks for rank in part):
        raise ValueError(f"split_group: split_ranks must be lists of ranks from 0 to {len(parent) - 1}")
    return new_subgroups_by_enumeration([[parent[r] for r in part] for part in split_ranks], timeout)[0]


def _resolve(group):
    """The group meant; None where this process is not in it."""
    if group is None:
        return _c._default_group()
    return None if isinstance(group, _NonMember) else group


def _rank_not_in_group(group):
    return _resolve(group) is None


def get_rank(group=None):
    """The rank of this process in the group; -1 outside of it."""
    group = _resolve(group)
    return -1 if group is None else group.rank()


def get_world_size(group=None):
    """How many ranks the group has; -1 outside of it."""
    group = _resolve(group)
    return -1 if group is None else group.size()


def get_backend(group=None):
    """The name of the engine for the devices there are: "nccl" or "gloo"."""
    if _resolve(group) is None:
        raise ValueError("Invalid process group specified")
    return "nccl" if is_nccl_available() else "gloo"


def get_backend_config(group=None):
    """Engines by device."""
    _resolve(group)
    return ",".join(f"{device}:{name}" for device, name in _ENGINES.items() if is_backend_available(name))


def get_process_group_ranks(group=None):
    """Ranks in the job, by rank in the group. Raises ValueError where this process is not in it."""
    group = _resolve(group)
    if group is None:
        raise ValueError("Invalid process group specified: this process is not in it")
    return list(group._global_ranks)


def get_global_rank(group, group_rank):
    """The rank in the job of a rank in the group."""
    ranks = get_process_group_ranks(group)
    if not 0 <= group_rank < len(ranks):
        raise ValueError(f"Group rank {group_rank} is not part of group {ranks}")
    return ranks[group_rank]


def get_group_rank(group, global_rank):
    """The rank in the group of a rank in the job."""
    ranks = get_process_group_ranks(group)
    if global_rank not in ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {ranks}")
    return ranks.index(global_rank)


def get_node_local_rank(fallback_rank=None):
    """The rank of this process among those on its machine."""
    local = _c._environment()["local_rank"]
    if local >= 0:
        return local
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
        "`get_node_local_rank` to work"
    )


def set_timeout(timeout, group=None):
    """After which a collective that a rank does not join fails."""
    _resolve(group)._timeout = _seconds(timeout)


_set_timeout = set_timeout


def _wait(self, timeout=None):
    """Until the collective is done; True. Raises DistributedError naming rank and collective, or that the
    time is up."""
    if timeout is None or timeout <= timedelta(0):
        self._wait()
    elif not self._wait_for(timeout):
        seconds = timeout.total_seconds()
        raise _C.DistributedError(f"Work.wait: {self._what} was not done within {seconds:g} s")
    return True


def _exception(self):
    """What made it fail, or None."""
    text = self._failure()
    return _C.DistributedError(text) if text else None


def _get_future(self):
    """A Future whose value is the list of tensors that the collective writes."""
    from taper.futures import Future

    return Future._of(lambda: (self._wait(), self.result())[1], self.is_completed)


_c.Work.wait, _c.Work.exception, _c.Work.get_future = _wait, _exception, _get_future
_c.Work.synchronize = lambda self: self.wait() and None
_c.Store.wait = lambda self, keys, timeout=None: self._wait(list(keys), timeout or self.timeout)
