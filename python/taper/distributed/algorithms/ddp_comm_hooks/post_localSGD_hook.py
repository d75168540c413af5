"""Post-local SGD: gradients are averaged over all processes at first, then within groups only (Lin et al.
2018, arXiv:1808.07217)."""

from taper.distributed.job import _resolve, new_subgroups
from taper.futures import Future

from .default_hooks import allreduce_hook


class PostLocalSGDState:
    """What the hook below remembers.

    process_group               of the first steps; None for all ranks
    subgroup                    of the later ones: a group of this process and its neighbours, as
                                new_subgroups(group_size) gives; None: new_subgroups(), one of each machine
    start_localSGD_iter         how many steps come first
    post_local_gradient_allreduce  whether gradients are averaged at all in the later steps
    """

    def __init__(self, process_group, subgroup, start_localSGD_iter, post_local_gradient_allreduce=True):
        self.process_group, self.subgroup = process_group, subgroup
        self.start_localSGD_iter = start_localSGD_iter
        self.post_local_gradient_allreduce = post_local_gradient_allreduce
        self.iter = 0

    def maybe_increase_iter(self, bucket):
        """Counts a step at its last bucket."""
        self.iter += bucket.is_last()


def post_localSGD_hook(state, bucket):
    """Averages the bucket over the processes whose turn it is. Parameters must be averaged as well:
    taper.distributed.optim.PostLocalSGDOptimizer."""
    if state.iter < state.start_localSGD_iter:
        state.maybe_increase_iter(bucket)
        return allreduce_hook(state.process_group, bucket)
    if state.post_local_gradient_allreduce:
        if state.subgroup is None:
            state.subgroup = new_subgroups()[0]
        return allreduce_hook(_resolve(state.subgroup), bucket)
    future = Future()
    future.set_result(bucket.buffer())
    return future
