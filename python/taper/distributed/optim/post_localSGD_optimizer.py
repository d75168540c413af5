"""PostLocalSGDOptimizer: an optimizer whose parameters are averaged over processes now and then."""

import warnings

from taper.optim.optimizer import Optimizer


class PostLocalSGDOptimizer(Optimizer):
    """optim, a local optimizer, and after each of its steps averager.average_parameters(), such as that of a
    PeriodicModelAverager, for models under DistributedDataParallel with post_localSGD_hook: Lin et al. 2018,
    arXiv:1808.07217. state_dict() has the averager's step as well."""

    def __init__(self, optim, averager):
        self.optim, self.averager = optim, averager
        self.param_groups = optim.param_groups

    @property
    def state(self):
        """The local optimizer's."""
        return self.optim.state

    def __repr__(self):
        return repr(self.optim)

    def state_dict(self):
        """The local optimizer's, and "step"."""
        return {**self.optim.state_dict(), "step": self.averager.step}

    def load_state_dict(self, state_dict):
        """Takes what state_dict() gave; without "step" the averager counts from 0."""
        self.optim.load_state_dict({key: value for key, value in state_dict.items() if key != "step"})
        if "step" not in state_dict:
            warnings.warn(
                "Loaded state dict does not contain a step counter for an averager. Setting step counter "
                "to 0.",
                stacklevel=2,
            )
        self.averager.step = state_dict.get("step", 0)
        self.param_groups = self.optim.param_groups

    def step(self, closure=None):
        """One step of the local optimizer, and where it is time the average."""
        loss = self.optim.step() if closure is None else self.optim.step(closure)
        self.averager.average_parameters(self.param_groups)
        return loss

    def zero_grad(self, set_to_none=True):
        """The local optimizer's."""
        self.optim.zero_grad(set_to_none)

    def add_param_group(self, param_group):
        """The local optimizer's."""
        self.optim.add_param_group(param_group)
