"""Averages over small groups often, and over large ones now and then."""

from taper.distributed.job import new_subgroups

from . import utils
from .averagers import ModelAverager


class HierarchicalModelAverager(ModelAverager):
    """Lin et al. 2018, arXiv:1808.07217, section 3.3: every few steps an average within groups of
    neighbouring ranks, and every some more of them within larger groups.

    period_group_size_dict  by period, growing: the size of the groups that average every so many steps; the
                            last one is that of the whole group. Where a step is a multiple of several
                            periods, the largest counts.
    warmup_steps            without any average
    """

    def __init__(self, period_group_size_dict=None, warmup_steps=0, process_group=None):
        super().__init__(process_group)
        if not period_group_size_dict:
            raise ValueError("Arg ``period_group_size_dict`` must not be empty.")
        sizes, all_ranks = dict(period_group_size_dict), self.process_group.size()
        if min(sizes) < 1:
            raise ValueError("The minimum period in arg ``period_group_size_dict`` must be a positive value.")
        if list(sizes.values())[-1] != all_ranks:
            raise ValueError(
                f"The last value in arg ``period_group_size_dict`` {list(sizes.values())[-1]} must be equal "
                f"to the size of arg ``process_group`` {all_ranks}."
            )
        if warmup_steps < 0:
            raise ValueError("Arg ``warmup_steps`` must be a non-negative number.")
        self.warmup_steps = warmup_steps
        self.period_process_group_dict = {
            period: self.process_group if size == all_ranks else new_subgroups(size, self.process_group)[0]
            for period, size in sizes.items()
        }

    def _find_process_group(self):
        for period, group in reversed(self.period_process_group_dict.items()):
            if self.step % period == 0:
                return group
        return None

    def average_parameters(self, params):
        """Counts a step, and averages where it is time. params: as PeriodicModelAverager takes them."""
        group = self._find_process_group() if self.step >= self.warmup_steps else None
        if group is not None:
            utils.average_parameters_or_parameter_groups(params, group)
        self.step += 1
