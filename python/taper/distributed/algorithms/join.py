"""Training with different numbers of batches in each process."""

import abc

import taper
from taper import _C

from ..collectives import ReduceOp, all_reduce


class JoinHook:
    """What a process without data does so that the others can go on."""

    # Whether the others reduce gradients in the iteration that main_hook stands in for.
    syncs = True

    def main_hook(self):
        """Once for each iteration of the others: takes part in its collectives."""

    def post_hook(self, is_last_joiner):
        """Once, when all are through; is_last_joiner: whether this process was in the last iteration."""


class Joinable(abc.ABC):
    """What Join can stand in for. Before the first collective of an iteration it calls
    Join.notify_join_context(self)."""

    def __init__(self):
        super().__init__()

    @abc.abstractmethod
    def join_hook(self, **kwargs):
        """The hook of this object; kwargs: the further arguments of the Join."""

    @property
    @abc.abstractmethod
    def join_device(self):
        """Where its tensors are."""

    @property
    @abc.abstractmethod
    def join_process_group(self):
        """The group of its collectives."""


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
            raise ValueError("The join context manager requires at least one joinable")
        groups = {joinable.join_process_group for joinable in joinables}
        if len(groups) > 1:
            raise ValueError("Using join context manager with multiple process groups")
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
                raise RuntimeError(f"Rank {self._group.rank()} exhausted all inputs.")
            for hook in hooks:
                hook.syncs = syncs > 0
                hook.main_hook()
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
            raise RuntimeError("Detected at least one rank that exhausted inputs. Throwing across all ranks.")
        return None if join._divides_by_all else active


class DataParallelJoinHook(JoinHook):
    """Stands in for a DistributedDataParallel."""

    def __init__(self, model):
        self.model = model

    def main_hook(self):
        """Buffers and gradients of one iteration."""
        model = self.model
        synced = model.require_forward_param_sync and model.forward_sync_buffers
        buffers = model._buffers_to_send() if synced else None
        if buffers:
            _C._distributed._broadcast_tensors(model.process_group, list(buffers.values()), 0)
        model.require_forward_param_sync = self.syncs
        if self.syncs and model.reducer is not None:
            model.reducer.shadow()

    def post_hook(self, is_last_joiner):
        """The model of a process that was in the last iteration becomes that of all."""
        group = self.model.process_group
        place = taper.tensor([group.rank() if is_last_joiner else -1])
        all_reduce(place, ReduceOp.MAX, group)
        tensors = [*self.model.parameters(), *self.model.buffers()]
        self.model._authoritative_rank = int(place.item())
        with taper.no_grad():
            _C._distributed._broadcast_tensors(group, tensors, self.model._authoritative_rank)
