"""Hooks that average a bucket, as it is or in 16 bits."""

import taper
from taper.distributed.collectives import ReduceOp
from taper.distributed.job import _resolve


def allreduce_hook(process_group, bucket):
    """Averages the bucket, as without a hook."""
    work = _resolve(process_group)._all_reduce(bucket.buffer(), ReduceOp.AVG, True)
    return work.get_future().then(lambda future: future.value()[0])


def _compressed(process_group, bucket, dtype):
    group = _resolve(process_group)
    # Divided first: the sum of 16-bit numbers could overflow.
    small = bucket.buffer().to(dtype).div_(group.size())
    work = group._all_reduce(small, ReduceOp.SUM, True)
    return work.get_future().then(lambda future: bucket.buffer().copy_(future.value()[0]))


def compress_hook(dtype):
    """A hook that sends gradients in this dtype."""
    return lambda process_group, bucket: _compressed(process_group, bucket, dtype)


def fp16_compress_hook(process_group, bucket):
    """Sends gradients as float16."""
    return _compressed(process_group, bucket, taper.float16)


def bf16_compress_hook(process_group, bucket):
    """Sends gradients as bfloat16: half of the traffic, float32's range."""
    return _compressed(process_group, bucket, taper.bfloat16)


def _wrapped(hook, dtype):
    def compressed(process_group, bucket):
        full = bucket.buffer()
        small = bucket._with_buffer(full.to(dtype))
        return hook(process_group, small).then(lambda future: full.copy_(future.value()))

    return compressed


def fp16_compress_wrapper(hook):
    """The hook, on float16 gradients."""
    return _wrapped(hook, taper.float16)


def bf16_compress_wrapper(hook):
    """The hook, on bfloat16 gradients."""
    return _wrapped(hook, taper.bfloat16)
