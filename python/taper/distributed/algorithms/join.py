"""Training with different numbers of batches in each process."""

import taper
from taper import _C

from ..collectives import ReduceOp, all_reduce


class JoinHook:
    """What a process without data does so that the others can go on."""

    def main_hook(self, syncs):
        """Once for each iteration of the others; syncs: whether they reduce gradients in it."""

    def post_hook(self, is_last_joiner):
        """Once, when all are through."""


class Joinable:
    """What Join can stand in for, such as DistributedDataParallel."""

    def join_hook(self, **kwargs):
        """The hook of this object."""
        raise NotImplementedError

    @property
    def join_process_group(self):
        """The group of its collectives."""
        raise NotImplementedError


class Join:
    """Within it, a process whose batches are used up takes part in the collectives of the others until theirs
    are used up, too: with zeros, so that gradients are the average over all processes of the job
    (divide_by_initial_world_size, the default), or over those that still have batches.

    joinables                    modules whose forward and backward the processes call; at least one
    enable                       False: does nothing
    throw_on_early_termination   raise RuntimeError in all processes as soon as one has no batch left
    """

    _active = None

    def __init__(self, joinables, enable=True, throw_on_early_termination=False, **kwargs):
        if not joinables:
            raise ValueError("Join: expected at least one object, such as a DistributedDataParallel")
        self._joinables, self._enabled = list(joinables), enable
        self._throws, self._options = throw_on_early_termination, kwargs
        self._divides_by_all = kwargs.get("divide_by_initial_world_size", True)
        self._group = self._joinables[0].join_process_group

    def __enter__(self):
        if self._enabled:
            self._before, Join._active = Join._active, self
        return self

    def __exit__(self, kind, error, traceback):
        if not self._enabled:
            return
        Join._active = self._before
        if kind is not None:
            return
        hooks, is_last = [joinable.join_hook(**self._options) for joinable in self._joinables], True
        while True:
            active, syncs = self._compare(False, False)
            if active == 0:
                break
            is_last = False
            if self._throws:
                raise RuntimeError(
                    f"Join: Rank {self._group.rank()} exhausted all inputs, while others have some"
                )
            for hook in hooks:
                hook.main_hook(syncs > 0)
        for hook in hooks:
            hook.post_hook(is_last)

    def _compare(self, active, syncs):
        """How many processes begin an iteration now, and in how many of them it reduces gradients."""
        counts = taper.tensor([int(active), int(syncs)])
        all_reduce(counts, group=self._group)
        return counts.tolist()

    @staticmethod
    def notify_join_context(joinable):
        """Called by the first of the objects at the beginning of each iteration. Returns by how many
        processes its gradients are to be divided, or None for all of them."""
        join = Join._active
        if join is None or joinable is not join._joinables[0]:
            return None
        active, _ = join._compare(True, getattr(joinable, "require_backward_grad_sync", True))
        if join._throws and active < join._group.size():
            raise RuntimeError("Join: Detected at least one rank that exhausted inputs.")
        return None if join._divides_by_all else active


class DataParallelJoinHook(JoinHook):
    """Stands in for a DistributedDataParallel."""

    def __init__(self, model):
        self.model = model

    def main_hook(self, syncs):
        """Buffers and gradients of one iteration."""
        if not syncs:
            return
        buffers = self.model._buffers_to_send() if self.model.forward_sync_buffers else None
        if buffers:
            _C._distributed._broadcast_tensors(self.model.process_group, list(buffers.values()), 0)
        self.model.reducer.shadow()

    def post_hook(self, is_last_joiner):
        """The model of a process that was in the last iteration becomes that of all."""
        group = self.model.process_group
        place = taper.tensor([group.rank() if is_last_joiner else -1])
        all_reduce(place, ReduceOp.MAX, group)
        tensors = [*self.model.parameters(), *self.model.buffers()]
        with taper.no_grad():
            _C._distributed._broadcast_tensors(group, tensors, int(place.item()))
