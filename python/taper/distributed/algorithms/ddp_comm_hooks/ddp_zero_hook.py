"""Hooks that let a ZeroRedundancyOptimizer take its steps within backward passes."""

from taper import _C


def hook_with_zero_step(hook, ddp, zero, shard_buckets=False):
    """The hook, and after the last bucket of a backward pass of ddp a step of zero, which was made with
    overlap_with_ddp=True. As in PyTorch, the first two passes (three with static_graph) change no parameter.
    shard_buckets: parameters are dealt out one by one in any case."""
    if not zero._overlaps:
        raise ValueError(
            "ZeroRedundancyOptimizer must be constructed with `overlap_with_ddp=True` to use this hook "
            "properly"
        )
    if hook is None or not callable(hook):
        raise TypeError("hook_with_zero_step: hook is a communication hook, such as allreduce_hook")

    def reduce_then_step(state, bucket):
        if bucket.is_last() and ddp._passes > (3 if ddp.static_graph else 2):
            _C._queue_callback(lambda: zero._update() and None)
        return hook(state, bucket)

    return reduce_then_step


# The step comes after the last bucket in either case.
hook_with_zero_step_interleaved = hook_with_zero_step
