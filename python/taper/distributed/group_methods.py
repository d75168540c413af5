"""Collectives as methods of a group, on lists of tensors: what PyTorch's engines for collectives have, and
what programs that keep a group call. Roots are ranks in the group. All give a Work."""

from dataclasses import dataclass
from datetime import timedelta

from . import job
from .collectives import ReduceOp, _Coalesced

_c = job._c


@dataclass
class AllreduceOptions:
    """Options of allreduce."""

    reduceOp: ReduceOp = ReduceOp.SUM


AllreduceCoalescedOptions = ReduceScatterOptions = AllreduceOptions


@dataclass
class BroadcastOptions:
    """Options of broadcast. Each rank has one tensor of each kind, so rootTensor is 0."""

    rootRank: int = 0
    rootTensor: int = 0


@dataclass
class ReduceOptions:
    """Options of reduce."""

    reduceOp: ReduceOp = ReduceOp.SUM
    rootRank: int = 0
    rootTensor: int = 0


@dataclass
class GatherOptions:
    """Options of gather and scatter."""

    rootRank: int = 0


ScatterOptions = GatherOptions


@dataclass
class BarrierOptions:
    """Options of barrier; timeout: instead of the group's."""

    timeout: timedelta = None


@dataclass
class AllgatherOptions:
    """allgather and alltoall have no options."""


AllToAllOptions = AllgatherOptions


class ProcessGroupGloo:
    """Makes a group of processes that share a store: a job of its own, beside the default group."""

    def __new__(cls, store, rank, size, timeout=None):
        return job._separate_group(store, rank, size, timeout)


def _option(given, name, default):
    """An option from an object of options, or given by itself."""
    if given is None:
        return default
    return getattr(given, name, given)


def _each(tensors):
    return tensors if isinstance(tensors, (list, tuple)) else [tensors]


def _one(tensors, name, kind="tensor"):
    """The tensor of a list of one. PyTorch reduces several together; here they would need a meaning of their
    own."""
    tensors = _each(tensors)
    if not tensors:
        raise RuntimeError(f"{name}: requires non-empty {kind} list")
    if len(tensors) > 1:
        raise RuntimeError(f"{name}: requires a single-element {kind} list, got {len(tensors)}")
    return tensors[0]


def _root_in(self, given, name):
    root = _option(given, "rootRank", 0)
    if not 0 <= root < self.size():
        raise RuntimeError(f"{name}: invalid root rank: {root}, in a group of {self.size()}")
    if getattr(given, "rootTensor", 0):
        raise RuntimeError(f"{name}: invalid root tensor: {given.rootTensor}, of one tensor on each rank")
    return root


def _list_on_root(self, lists, root, name, kind):
    """The list of one list that the root has, one tensor for each rank; [] elsewhere."""
    if self.rank() != root:
        if lists:
            raise RuntimeError(f"{name}: requires empty {kind} on non-root")
        return []
    if len(lists) != 1:
        raise RuntimeError(
            f"{name}: requires a single-element {kind} list containing a list with {self.size()} tensors"
        )
    if len(lists[0]) != self.size():
        raise RuntimeError(
            f"{name}: Incorrect {kind} list size {len(lists[0])}. It should be {self.size()}, same as size "
            "of the process group"
        )
    return list(lists[0])


def allreduce(self, tensors, op=None):
    """Every rank's tensor becomes the reduction of all."""
    return self._all_reduce(_one(tensors, "allreduce"), _option(op, "reduceOp", ReduceOp.SUM), True)


def allreduce_coalesced(self, tensors, op=None):
    """Every rank's tensors become the reductions of all."""
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError("allreduce_coalesced: requires non-empty tensor list")
    if len({tensor.dtype for tensor in tensors}) > 1:
        raise RuntimeError("allreduce_coalesced: tensors must all have the same type")
    return _Coalesced(self._all_reduce_coalesced(tensors, _option(op, "reduceOp", ReduceOp.SUM)))


def broadcast(self, tensors, root=None):
    """Every rank's tensor becomes that of root."""
    return self._broadcast(_one(tensors, "broadcast"), _root_in(self, root, "broadcast"), True)


def reduce(self, tensors, root=None, op=None):
    """The tensor of root becomes the reduction of all."""
    op = _option(op, "reduceOp", ReduceOp.SUM) if op else getattr(root, "reduceOp", ReduceOp.SUM)
    return self._reduce(_one(tensors, "reduce"), _root_in(self, root, "reduce"), op, True)


def allgather(self, output_tensors, input_tensors, opts=None):
    """output_tensors[0][r] becomes rank r's input_tensors[0]; also of one list and one tensor."""
    if not isinstance(input_tensors, (list, tuple)):
        output_tensors, input_tensors = [output_tensors], [input_tensors]
    tensor = _one(input_tensors, "allgather", "input tensor")
    if len(output_tensors) != 1:
        raise RuntimeError("allgather: requires input/output tensor lists to have the same length")
    return self._all_gather(list(output_tensors[0]), tensor, True)


def _allgather_base(self, output, input, opts=None):
    return self._all_gather_into_tensor(output, input, True)


def gather(self, output_tensors, input_tensors, root=None):
    """On root, output_tensors[0][r] becomes rank r's input_tensors[0]."""
    root = _root_in(self, root, "gather")
    tensor = _one(input_tensors, "gather", "input tensor")
    return self._gather(_list_on_root(self, output_tensors, root, "gather", "output"), tensor, root, True)


def scatter(self, output_tensors, input_tensors, root=None):
    """output_tensors[0] becomes root's input_tensors[0][own rank]."""
    root = _root_in(self, root, "scatter")
    tensor = _one(output_tensors, "scatter", "output tensor")
    return self._scatter(tensor, _list_on_root(self, input_tensors, root, "scatter", "input"), root, True)


def reduce_scatter(self, output_tensors, input_tensors, op=None):
    """output_tensors[0] becomes the reduction of all ranks' input_tensors[0][own rank]."""
    op = _option(op, "reduceOp", ReduceOp.SUM)
    return self._reduce_scatter(output_tensors[0], list(input_tensors[0]), op, True)


def _reduce_scatter_base(self, output, input, op=None):
    return self._reduce_scatter_tensor(output, input, _option(op, "reduceOp", ReduceOp.SUM), True)


def alltoall(self, output_tensors, input_tensors, opts=None):
    """output_tensors[r] becomes rank r's input_tensors[own rank]."""
    return self._all_to_all(list(output_tensors), list(input_tensors), True)


def alltoall_base(self, output, input, output_split_sizes=(), input_split_sizes=(), opts=None):
    """alltoall of parts of the first dimension, equal ones where no sizes are given."""
    return self._all_to_all_single(output, input, list(output_split_sizes), list(input_split_sizes), True)


def barrier(self, opts=None):
    """Done when all ranks are here."""
    timeout = _option(opts, "timeout", None)
    return self._barrier(timeout if isinstance(timeout, timedelta) else None, True)


def monitored_barrier(self, timeout=None, wait_all_ranks=False):
    """taper.distributed.monitored_barrier."""
    self._monitored_barrier(self._timeout if timeout is None else timeout, wait_all_ranks)


def send(self, tensors, dstRank, tag=0):
    """Sends one tensor."""
    return self._send(_each(tensors)[0], dstRank, tag, True)


def recv(self, tensors, srcRank, tag=0):
    """Receives one tensor."""
    return self._recv(_each(tensors)[0], srcRank, tag, True)


def recv_anysource(self, tensors, tag=0):
    """Receives one tensor from whichever rank sends first."""
    return self._recv(_each(tensors)[0], None, tag, True)


def set_timeout(self, timeout):
    """taper.distributed.set_timeout."""
    self._timeout = job._seconds(timeout)


def name(self):
    """The engine's name."""
    return job.get_backend(self)


def get_group_store(self):
    """The store of the job."""
    return _c._store()


def _get_backend(self, device):
    """What moves tensors on this device: the group itself, for all devices that there are."""
    kind = str(device).split(":")[0]
    if not job.is_backend_available(job.get_default_backend_for_device(kind)):
        raise RuntimeError(f"No backend type associated with device type {kind}")
    return self


def abort(self):
    """Ends what is under way, with an error, and the group with it."""
    _c._destroy_group(self)


def _group_desc(self):
    """What the program calls it."""
    if self is job.GroupMember.WORLD:
        return "default_pg"
    return job._descriptions.get(self.group_name, "undefined")


def _device_types(self):
    """The devices whose tensors it moves."""
    return [job._C.device(kind) for kind, name in job._ENGINES.items() if job.is_backend_available(name)]


_c.ProcessGroup.group_desc = property(_group_desc)
_c.ProcessGroup._device_types = property(_device_types)
_c.ProcessGroup.shutdown = abort
_c.ProcessGroup.getBackendName = name

for _method in (
    *(
        allreduce,
        allreduce_coalesced,
        broadcast,
        reduce,
        allgather,
        _allgather_base,
        gather,
        scatter,
        reduce_scatter,
        name,
    ),
    *(_reduce_scatter_base, alltoall, alltoall_base, barrier, monitored_barrier, send, recv, recv_anysource),
    *(set_timeout, get_group_store, _get_backend, abort),
):
    setattr(_c.ProcessGroup, _method.__name__, _method)
