"""Tensors sent to several GPUs of this process, and brought together again."""

from .. import _C
from .._creation import _device

__all__ = ["broadcast", "broadcast_coalesced", "gather", "reduce_add", "reduce_add_coalesced", "scatter"]


def _written(results, out):
    for target, result in zip(out, results):
        target.copy_(result)
    return tuple(out)


def broadcast(tensor, devices=None, *, out=None):
    """A tuple with tensor on each of the devices, or written into the tensors of out. Differentiable."""
    if (devices is None) == (out is None):
        raise RuntimeError(f"broadcast: expected either devices or out, got {devices=} and {out=}")
    if out is not None:
        return _written([tensor] * len(out), out)
    return tuple(tensor.to(_device(device)) for device in devices)


def broadcast_coalesced(tensors, devices, buffer_size=10485760):
    """A tuple of lists: for each of the devices the tensors there."""
    return tuple([tensor.to(_device(device)) for tensor in tensors] for device in devices)


def reduce_add(inputs, destination=None):
    """The sum of tensors of one shape, on destination, else on the current GPU. Differentiable."""
    place = _device("cuda" if destination is None else destination)
    total = inputs[0].to(place)
    for tensor in inputs[1:]:
        if tensor.shape != total.shape:
            raise ValueError(f"reduce_add: got shapes {total.shape} and {tensor.shape}, expected one shape")
        total = total + tensor.to(place)
    return total


def reduce_add_coalesced(inputs, destination=None, buffer_size=10485760):
    """inputs: a list of tensors for each GPU. Returns a tuple of the sums of those with the same number."""
    return tuple(reduce_add(column, destination) for column in zip(*inputs))


def scatter(tensor, devices=None, chunk_sizes=None, dim=0, streams=None, *, out=None):
    """A tuple with a part of tensor along dim on each of the devices, or written into the tensors of out.

    chunk_sizes: lengths of the parts; as equal as chunk() makes them where none are given. Differentiable.
    """
    if out is not None:
        if devices is not None or chunk_sizes is not None:
            raise RuntimeError("scatter: devices and chunk_sizes are those of out; leave them out")
        return _written(tensor.split([part.shape[dim] for part in out], dim), out)
    devices = range(_C._cuda_device_count()) if devices is None else devices
    if chunk_sizes is None:
        parts = tensor.chunk(len(devices), dim)
    elif len(chunk_sizes) != len(devices):
        raise ValueError(f"scatter: got {len(chunk_sizes)} chunk_sizes for {len(devices)} devices")
    else:
        parts = tensor.split(list(chunk_sizes), dim)
    return tuple(part.to(_device(device)) for part, device in zip(parts, devices))


def gather(tensors, dim=0, destination=None, *, out=None):
    """Tensors joined along dim on destination (-1: in main memory), else on the current GPU, or in out.

    Differentiable.
    """
    if destination == -1:
        destination = "cpu"
    place = _device("cuda" if destination is None else destination) if out is None else out.device
    joined = _C._homes["taper"]["cat"]([tensor.to(place) for tensor in tensors], dim)
    return joined if out is None else out.copy_(joined)
