"""What DistributedDataParallel does before training, for programs that wrap modules themselves."""

import taper
from taper import _C

from . import objects
from .collectives import ReduceOp


def _verify_param_shape_across_processes(process_group, tensors, logger=None):
    """Whether all ranks of the group have as many parameters as rank 0, of the same shapes and dtypes. Where
    one has not, all raise DistributedError; the one says which parameter it is. logger: a
    DistributedDataParallel's, which takes note of it."""
    group, rank = process_group, process_group.rank()
    own = [(list(tensor.shape), str(tensor.dtype)) for tensor in tensors]
    sent = [own if rank == 0 else None]
    objects.broadcast_object_list(sent, group=group, group_src=0)
    fault = _difference(own, sent[0], rank)
    place = taper.tensor([rank if fault else -1])
    group._all_reduce(place, ReduceOp.MAX, False)
    if fault is None and place.item() >= 0:
        fault = f"rank {place.item()} has another model"
    if fault is not None:
        text = f"DDP expects same model across all ranks, but {fault}"
        if logger is not None:
            logger.note_error(text)
        raise _C.DistributedError(text)


_verify_params_across_processes = _verify_param_shape_across_processes

# Of the first bucket of DistributedDataParallel, unless it is told other sizes.
_DEFAULT_FIRST_BUCKET_BYTES = 1 << 20


def _difference(own, first, rank):
    if len(own) != len(first):
        return f"Rank 0 has {len(first)} params, while rank {rank} has inconsistent {len(own)} params."
    for place, (mine, theirs) in enumerate(zip(own, first)):
        if tuple(mine) != tuple(theirs):
            return (
                f"[{rank}]: params[{place}] in this process with sizes {mine[0]} ({mine[1]}) appears not to "
                f"match sizes of the same param in process 0: {theirs[0]} ({theirs[1]})."
            )
    return None


def _sync_module_states(
    module, process_group, broadcast_bucket_size, src, params_and_buffers_to_ignore, broadcast_buffers=True
):
    """Parameters and buffers, but for those named, become those of rank src of the group. The size of buckets
    changes nothing."""
    named = [*module.named_parameters(), *(module.named_buffers() if broadcast_buffers else ())]
    tensors = [tensor for name, tensor in named if name not in params_and_buffers_to_ignore]
    with taper.no_grad():
        _C._distributed._broadcast_tensors(process_group, tensors, src)


def _compute_bucket_assignment_by_size(
    tensors, bucket_size_limits, expect_sparse_gradient=(), tensor_indices=()
):
    """(lists of places of tensors, the limit that each was filled to, in bytes): tensors of one dtype and
    device go into one bucket until it has reached its limit; the last limit holds for all further ones."""
    places = list(tensor_indices) or list(range(len(tensors)))
    buckets, limits, open_buckets, closed = [], [], {}, {}
    for place, tensor in zip(places, tensors, strict=True):
        if expect_sparse_gradient and expect_sparse_gradient[place]:
            buckets.append([place])
            limits.append(0)
            continue
        kind = tensor.dtype, str(tensor.device)
        number = closed.get(kind, 0)
        limit = bucket_size_limits[min(number, len(bucket_size_limits) - 1)]
        if kind not in open_buckets:
            open_buckets[kind] = [], 0
            buckets.append(open_buckets[kind][0])
            limits.append(limit)
        members, size = open_buckets[kind]
        members.append(place)
        size += tensor.numel() * tensor.element_size()
        open_buckets[kind] = members, size
        if size >= limit:
            del open_buckets[kind]
            closed[kind] = number + 1
    # By first member, as the tensors are: those that no order was given for.
    if not tensor_indices:
        order = sorted(range(len(buckets)), key=lambda i: min(buckets[i]))
        buckets, limits = [buckets[i] for i in order], [limits[i] for i in order]
    return buckets, limits


def _broadcast_coalesced(process_group, tensors, buffer_size, src=0):
    """The tensors become those of rank src of the group. The size changes nothing."""
    _C._distributed._broadcast_tensors(process_group, list(tensors), src)
