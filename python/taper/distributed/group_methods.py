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


def _all(works):
    """One Work for several."""
    works = list(works)
    return works[0] if len(works) == 1 else _Coalesced(works)


def allreduce(self, tensors, op=None):
    """Every rank's tensors become the reductions of all."""
    op = _option(op, "reduceOp", ReduceOp.SUM)
    return _all(self._all_reduce(tensor, op, True) for tensor in _each(tensors))


def broadcast(self, tensors, root=None):
    """Every rank's tensors become those of root."""
    root = _option(root, "rootRank", 0)
    return _all(self._broadcast(tensor, root, True) for tensor in _each(tensors))


def reduce(self, tensors, root=None, op=None):
    """The tensors of root become the reductions of all."""
    op = _option(op, "reduceOp", ReduceOp.SUM) if op else getattr(root, "reduceOp", ReduceOp.SUM)
    return _all(self._reduce(tensor, _option(root, "rootRank", 0), op, True) for tensor in _each(tensors))


def allgather(self, output_tensors, input_tensors, opts=None):
    """output_tensors[i][r] becomes rank r's input_tensors[i]; also of one list and one tensor."""
    if not isinstance(input_tensors, (list, tuple)):
        output_tensors, input_tensors = [output_tensors], [input_tensors]
    pairs = zip(output_tensors, input_tensors, strict=True)
    return _all(self._all_gather(list(outputs), tensor, True) for outputs, tensor in pairs)


def _allgather_base(self, output, input, opts=None):
    return self._all_gather_into_tensor(output, input, True)


def gather(self, output_tensors, input_tensors, root=None):
    """On root, output_tensors[0][r] becomes rank r's input_tensors[0]."""
    outputs = output_tensors[0] if output_tensors else []
    return self._gather(list(outputs), input_tensors[0], _option(root, "rootRank", 0), True)


def scatter(self, output_tensors, input_tensors, root=None):
    """output_tensors[0] becomes root's input_tensors[0][own rank]."""
    inputs = input_tensors[0] if input_tensors else []
    return self._scatter(output_tensors[0], list(inputs), _option(root, "rootRank", 0), True)


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
_c.ProcessGroup.allreduce_coalesced = allreduce

for _method in (
    *(allreduce, broadcast, reduce, allgather, _allgather_base, gather, scatter, reduce_scatter, name),
    *(_reduce_scatter_base, alltoall, alltoall_base, barrier, monitored_barrier, send, recv, recv_anysource),
    *(set_timeout, get_group_store, _get_backend, abort),
):
    setattr(_c.ProcessGroup, _method.__name__, _method)
