"""Averages of parameters over processes, for local SGD (Stich 2018, arXiv:1805.09767)."""

from taper.distributed.job import _resolve

from . import utils


class ModelAverager:
    """Averages parameters over the ranks of a group: all of them call average_parameters() equally often."""

    def __init__(self, process_group=None):
        self.process_group = _resolve(process_group)
        if self.process_group is None:
            raise ValueError("ModelAverager: this process is not in the given process group")
        self.step = 0

    def average_parameters(self, params):
        """Called once a step."""
        raise NotImplementedError


class PeriodicModelAverager(ModelAverager):
    """Averages every period steps, from step warmup_steps on (before, gradients are averaged in each step:
    post_localSGD_hook). period and warmup_steps: positive, and 0 or more."""

    def __init__(self, period, warmup_steps=0, process_group=None):
        super().__init__(process_group)
        if warmup_steps < 0:
            raise ValueError(f"PeriodicModelAverager: warmup_steps is {warmup_steps}, expected 0 or more")
        if period < 1:
            raise ValueError(f"PeriodicModelAverager: period is {period}, expected 1 or more")
        self.period, self.warmup_steps = period, warmup_steps

    def average_parameters(self, params):
        """Counts a step, and averages where it is time. params: parameters, or groups of an optimizer; those
        without a gradient stay as they are."""
        if self.step >= self.warmup_steps and (self.step - self.warmup_steps) % self.period == 0:
            utils.average_parameters_or_parameter_groups(params, self.process_group)
        self.step += 1
