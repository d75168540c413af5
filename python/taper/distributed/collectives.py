"""The collectives, as functions on tensors. Ranks given as src and dst are those of the job, also within
groups."""

import contextlib
import warnings
from datetime import timedelta

from taper import _C

from .job import _resolve, get_group_rank

_c = _C._distributed
ReduceOp = _c.ReduceOp


def _outside(name):
    warnings.warn(
        f"Running {name} on global rank {_c._default_group().rank()} which does not belong to the given "
        "group.",
        stacklevel=3,
    )


def _finish(work, async_op):
    return work if async_op else None


# By group, the collectives that wait for the end of its _coalescing_manager.
_collected = {}


def _run(group, async_op, begin):
    """begin(async_op), at once or at the end of the group's _coalescing_manager."""
    if group in _collected:
        _collected[group].append(begin)
        return None
    return _finish(begin(async_op), async_op)


class _Coalesced:
    """Collectives that belong together: a Work of them all."""

    def __init__(self, works=()):
        self.works = list(works)

    def wait(self, timeout=None):
        """Until all are done; True."""
        for work in self.works:
            work.wait(timeout)
        return True

    def is_completed(self):
        """Whether all have ended."""
        return all(work.is_completed() for work in self.works)

    def get_future(self):
        """A Future whose value is the list of tensors that they write."""
        from taper.futures import Future

        def results():
            self.wait()
            return [tensor for work in self.works for tensor in work.result()]

        return Future._of(results, self.is_completed)


@contextlib.contextmanager
def _coalescing_manager(group=None, device=None, async_ops=False):
    """Within it all_reduce, all_gather_into_tensor and reduce_scatter_tensor of the group only collect, and
    return None; all begin together at its end, which waits for them, unless async_ops is set: then wait() of
    what the context gives does. After an error within it none begins. The device changes nothing."""
    group, coalesced = _resolve(group), _Coalesced()
    if group in _collected:
        raise ValueError("_coalescing_manager: the group is within another one already")
    _collected[group] = []
    try:
        yield coalesced
    finally:
        begins = _collected.pop(group)
    coalesced.works.extend(begin(True) for begin in begins)
    if not async_ops:
        coalesced.wait()


def _in_group(group, rank, group_rank, name):
    """The rank in the group, from one of the two arguments."""
    if group_rank is not None:
        if rank is not None:
            raise ValueError(f"Can't specify both group_{name} and {name}")
        return int(group_rank)
    if rank is None:
        raise ValueError(f"Must specify {name} or group_{name}")
    return get_group_rank(group, int(rank))


def _check_tensor(tensor, name):
    if not isinstance(tensor, _C.Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type taper.Tensor but got "
            f"{type(tensor)} instead."
        )
    return tensor


def _check_list(tensors, name):
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(t, _C.Tensor) for t in tensors):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type list[taper.Tensor] but got "
            f"{type(tensors)} instead."
        )
    return list(tensors)


_PARTS = {_C.complex64: _C.float32, _C.complex128: _C.float64}


def _check_dtypes(*lists):
    """Tensors of a collective have one dtype; complex numbers count as their parts."""
    dtypes = {_PARTS.get(tensor.dtype, tensor.dtype) for tensors in lists for tensor in tensors}
    if len(dtypes) > 1:
        raise ValueError(
            f"Invalid usage of tensors with different dtypes: {', '.join(sorted(map(str, dtypes)))}"
        )


def _check_given(tensors, here, name, role):
    """One rank needs the list, the others must not have one."""
    if bool(tensors) != here:
        where, which = ("must", "") if here else ("must NOT", "non-")
        raise ValueError(
            f"Argument ``{name}`` {where} be specified on {which}{role} rank{'' if here else 's'}."
        )


def supports_complex(reduceOp):
    """Whether tensors of complex numbers can be reduced so."""
    return reduceOp in (ReduceOp.SUM, ReduceOp.AVG)


def all_reduce(tensor, op=ReduceOp.SUM, group=None, async_op=False):
    """Every rank's tensor becomes the reduction (SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR) of all: the
    same bits on all ranks. With async_op a Work to wait() for is returned."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("all_reduce")
    if tensor.is_complex() and not supports_complex(op):
        raise ValueError(f"all_reduce does not support {op.name.lower()} on complex tensors")
    return _run(group, async_op, lambda later: group._all_reduce(tensor, op, later))


def all_reduce_coalesced(tensors, op=ReduceOp.SUM, group=None, async_op=False):
    """all_reduce of several tensors."""
    group = _resolve(group)
    if group is None:
        return _outside("all_reduce_coalesced")
    _check_dtypes(_check_list(tensors, "tensors"))
    work = _Coalesced(group._all_reduce_coalesced(list(tensors), op))
    if async_op:
        return work
    work.wait()


def broadcast(tensor, src=None, group=None, async_op=False, group_src=None):
    """Every rank's tensor becomes that of rank src."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("broadcast")
    return _finish(group._broadcast(tensor, _in_group(group, src, group_src, "src"), async_op), async_op)


def reduce(tensor, dst=None, op=ReduceOp.SUM, group=None, async_op=False, group_dst=None):
    """The tensor of rank dst becomes the reduction of all; those of the others stay."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("reduce")
    return _finish(group._reduce(tensor, _in_group(group, dst, group_dst, "dst"), op, async_op), async_op)


def all_gather(tensor_list, tensor, group=None, async_op=False):
    """tensor_list[r] becomes the tensor of rank r, on all ranks."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("all_gather")
    _check_dtypes(_check_list(tensor_list, "tensor_list"), [tensor])
    return _finish(group._all_gather(list(tensor_list), tensor, async_op), async_op)


def all_gather_into_tensor(output_tensor, input_tensor, group=None, async_op=False):
    """output_tensor becomes the tensors of all ranks, joined along the first dimension, or stacked."""
    group = _resolve(group)
    if group is None:
        return _outside("all_gather_into_tensor")
    _check_tensor(output_tensor, "output_tensor")
    _check_tensor(input_tensor, "input_tensor")
    return _run(
        group, async_op, lambda later: group._all_gather_into_tensor(output_tensor, input_tensor, later)
    )


def all_gather_coalesced(output_tensor_lists, input_tensor_list, group=None, async_op=False):
    """all_gather of several tensors: output_tensor_lists[r][i] becomes tensor i of rank r."""
    group, inputs = _resolve(group), _check_list(input_tensor_list, "input_tensor_list")
    if group is None:
        return _outside("all_gather_coalesced")
    outputs = [_check_list(tensors, "output_tensor_lists") for tensors in output_tensor_lists]
    _check_dtypes(inputs, *outputs)
    if len(outputs) != group.size() or any(len(tensors) != len(inputs) for tensors in outputs):
        raise ValueError(
            f"all_gather_coalesced: expected for each of {group.size()} ranks a list of {len(inputs)} "
            f"tensors, got lists of {[len(tensors) for tensors in outputs]}"
        )
    work = _Coalesced(group._all_gather_coalesced(outputs, inputs))
    if async_op:
        return work
    work.wait()


def gather(tensor, gather_list=None, dst=None, group=None, async_op=False, group_dst=None):
    """On rank dst (0 unless given), gather_list[r] becomes the tensor of rank r."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("gather")
    root = 0 if dst is None and group_dst is None else _in_group(group, dst, group_dst, "dst")
    _check_given(gather_list, group.rank() == root, "gather_list", "destination")
    _check_dtypes(_check_list(gather_list or [], "gather_list"), [tensor])
    return _finish(group._gather(list(gather_list or []), tensor, root, async_op), async_op)


def gather_into_tensor(output_tensor, input_tensor, dst=None, group=None, async_op=False, group_dst=None):
    """On rank dst (0 unless given), output_tensor becomes the tensors of all ranks, joined along the first
    dimension, or stacked; elsewhere it may be None."""
    resolved, parts = _resolve(group), None
    if resolved is None:
        return _outside("gather_into_tensor")
    root = 0 if dst is None and group_dst is None else _in_group(resolved, dst, group_dst, "dst")
    if resolved.rank() == root:
        shape = (resolved.size(), *_check_tensor(input_tensor, "input_tensor").shape)
        parts = list(_check_tensor(output_tensor, "output_tensor").detach().view(shape).unbind())
    return gather(input_tensor, parts, group=group, async_op=async_op, group_dst=root)


def scatter(tensor, scatter_list=None, src=None, group=None, async_op=False, group_src=None):
    """The tensor of rank r becomes scatter_list[r] of rank src (0 unless given)."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("scatter")
    root = 0 if src is None and group_src is None else _in_group(group, src, group_src, "src")
    _check_given(scatter_list, group.rank() == root, "scatter_list", "source")
    _check_dtypes(_check_list(scatter_list or [], "scatter_list"), [tensor])
    return _finish(group._scatter(tensor, list(scatter_list or []), root, async_op), async_op)


def reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None, async_op=False):
    """output becomes the reduction of all ranks' input_list[own rank]."""
    _check_tensor(output, "output")
    group = _resolve(group)
    if group is None:
        return _outside("reduce_scatter")
    _check_dtypes(_check_list(input_list, "input_list"), [output])
    return _finish(group._reduce_scatter(output, list(input_list), op, async_op), async_op)


def reduce_scatter_tensor(output, input, op=ReduceOp.SUM, group=None, async_op=False):
    """As reduce_scatter, of one tensor that holds the parts one after another."""
    group = _resolve(group)
    if group is None:
        return _outside("reduce_scatter_tensor")
    _check_tensor(output, "output")
    _check_tensor(input, "input")
    return _run(group, async_op, lambda later: group._reduce_scatter_tensor(output, input, op, later))


def all_to_all(output_tensor_list, input_tensor_list, group=None, async_op=False):
    """output_tensor_list[r] becomes rank r's input_tensor_list[own rank]. Shapes may differ by pair of
    ranks."""
    group = _resolve(group)
    if group is None:
        return _outside("all_to_all")
    outputs = _check_list(output_tensor_list, "output_tensor_list")
    inputs = _check_list(input_tensor_list, "input_tensor_list")
    _check_dtypes(outputs, inputs)
    return _finish(group._all_to_all(outputs, inputs, async_op), async_op)


def all_to_all_single(
    output, input, output_split_sizes=None, input_split_sizes=None, group=None, async_op=False
):
    """all_to_all of the parts of the first dimension, which are equal unless their sizes are given."""
    group = _resolve(group)
    if group is None:
        return _outside("all_to_all_single")
    _check_dtypes([_check_tensor(output, "output"), _check_tensor(input, "input")])
    return _finish(
        group._all_to_all_single(
            output, input, list(output_split_sizes or []), list(input_split_sizes or []), async_op
        ),
        async_op,
    )


def barrier(group=None, async_op=False, device_ids=None, timeout=None):
    """Waits until all ranks are here; for no longer than timeout, or than the group's."""
    group = _resolve(group)
    return _outside("barrier") if group is None else _finish(group._barrier(timeout, async_op), async_op)


def monitored_barrier(group=None, timeout=None, wait_all_ranks=False):
    """A barrier whose error names the ranks that did not come in time: the first of them, or all."""
    group = _resolve(group)
    if group is None:
        return _outside("monitored_barrier")
    if isinstance(timeout, (int, float)):
        timeout = timedelta(seconds=timeout)
    group._monitored_barrier(group._timeout if timeout is None else timeout, wait_all_ranks)


def isend(tensor, dst=None, group=None, tag=0, group_dst=None):
    """Begins to send; returns a Work. The tensor must not change before it is done."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("isend")
    return group._send(tensor, _in_group(group, dst, group_dst, "dst"), tag, True)


def irecv(tensor, src=None, group=None, tag=0, group_src=None):
    """Begins to receive, from any rank unless src is given; returns a Work."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("irecv")
    source = None if src is None and group_src is None else _in_group(group, src, group_src, "src")
    return group._recv(tensor, source, tag, True)


def send(tensor, dst=None, group=None, tag=0, group_dst=None):
    """Sends to rank dst, and waits until it has been received."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        return _outside("send")
    group._send(tensor, _in_group(group, dst, group_dst, "dst"), tag, False)


def recv(tensor, src=None, group=None, tag=0, group_src=None):
    """Receives from rank src, or from any; returns the rank it came from (-1 outside of the group)."""
    _check_tensor(tensor, "tensor")
    group = _resolve(group)
    if group is None:
        _outside("recv")
        return -1
    source = None if src is None and group_src is None else _in_group(group, src, group_src, "src")
    return group._global_ranks[group._recv(tensor, source, tag, False).source_rank()]


class P2POp:
    """One isend or irecv of batch_isend_irecv."""

    def __repr__(self):
        peer = self.peer if self.group_peer is None else f"group rank {self.group_peer}"
        return f"P2POp({self.op.__name__}, peer={peer}, tag={self.tag}, shape={tuple(self.tensor.shape)})"

    def __init__(self, op, tensor, peer=None, group=None, tag=0, group_peer=None):
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``taper.distributed.isend`` or "
                "``taper.distributed.irecv``."
            )
        self.op, self.tensor, self.peer, self.group, self.tag, self.group_peer = (
            op,
            tensor,
            peer,
            group,
            tag,
            group_peer,
        )


def batch_isend_irecv(p2p_op_list):
    """Begins all transfers; returns their Works."""
    if not all(isinstance(entry, P2POp) for entry in p2p_op_list):
        raise ValueError(
            "Invalid ``p2p_op_list``. Each op is expected to be of type ``taper.distributed.P2POp``."
        )
    return [
        entry.op(entry.tensor, entry.peer, entry.group, entry.tag, entry.group_peer) for entry in p2p_op_list
    ]
