"""ZeroRedundancyOptimizer: every process keeps the optimizer's state of its part of the parameters."""

from taper import _C
from taper.distributed import objects
from taper.distributed.job import _resolve
from taper.optim.optimizer import Optimizer


class ZeroRedundancyOptimizer(Optimizer):
    """Rajbhandari et al. 2020, arXiv:1910.02054, stage 1: parameters are dealt out to the processes of a
    group by size; each updates its own, and sends them to the others. Gradients must be equal in all
    processes, as DistributedDataParallel leaves them.

    optimizer_class is made of the own parameters, with the further arguments.
    """

    def __init__(
        self,
        params,
        optimizer_class,
        process_group=None,
        parameters_as_bucket_view=False,
        overlap_with_ddp=False,
        **defaults,
    ):
        if overlap_with_ddp:
            raise _C.NotImplementedError("ZeroRedundancyOptimizer: overlap_with_ddp is not supported")
        self.process_group = _resolve(process_group)
        if self.process_group is None:
            raise ValueError("ZeroRedundancyOptimizer: this process is not in the given process group")
        self._class, self._arguments, self._consolidated = optimizer_class, defaults, None
        self.optim = None
        super().__init__(params, dict(defaults))
        self._divide()

    def _divide(self):
        world, rank = self.process_group.size(), self.process_group.rank()
        loads = [0] * world
        self._owners = []
        for group in self.param_groups:
            owners = [0] * len(group["params"])
            for i in sorted(range(len(owners)), key=lambda i: -group["params"][i].numel()):
                owners[i] = loads.index(min(loads))
                loads[owners[i]] += group["params"][i].numel()
            self._owners.append(owners)
        groups = [
            {**group, "params": [p for p, owner in zip(group["params"], owners) if owner == rank]}
            for group, owners in zip(self.param_groups, self._owners)
        ]
        # An optimizer without any parameter cannot be made; then there is nothing to do here.
        state = self.optim.state if self.optim is not None else {}
        self.optim = (
            self._class(groups, **self._arguments) if any(group["params"] for group in groups) else None
        )
        if self.optim is not None:
            self.optim.state.update(state)
            for group, own in zip(self.param_groups, self.optim.param_groups):
                for name, value in own.items():
                    group.setdefault(name, value)

    def add_param_group(self, param_group):
        """Adds parameters, which are dealt out as well."""
        super().add_param_group(param_group)
        if self.optim is not None:
            self._divide()

    def _copy_options(self):
        if self.optim is not None:
            for group, own in zip(self.param_groups, self.optim.param_groups):
                own.update({name: value for name, value in group.items() if name != "params"})

    def step(self, closure=None, **kwargs):
        """Updates the own parameters and gets the others'."""
        self._copy_options()
        if self.optim is not None:
            loss = self.optim.step(closure, **kwargs) if closure is not None else self.optim.step(**kwargs)
        else:
            loss = closure() if closure is not None else None
        for root in range(self.process_group.size()):
            theirs = [
                p
                for group, owners in zip(self.param_groups, self._owners)
                for p, owner in zip(group["params"], owners)
                if owner == root
            ]
            if theirs:
                _C._distributed._broadcast_tensors(self.process_group, theirs, root)
        return loss

    def _numbers(self):
        parameters = [p for group in self.param_groups for p in group["params"]]
        return {id(p): number for number, p in enumerate(parameters)}

    def consolidate_state_dict(self, to=0):
        """Gathers the state of all parts in rank `to` of the group, where state_dict() then gives it. All
        ranks call it."""
        numbers = self._numbers()
        own = {}
        if self.optim is not None:
            own = {numbers[id(p)]: dict(state) for p, state in self.optim.state.items()}
        here = self.process_group.rank() == to
        parts = [None] * self.process_group.size() if here else None
        objects.gather_object(own, parts, group=self.process_group, group_dst=to)
        if here:
            merged = {number: state for part in parts for number, state in part.items()}
            self._consolidated = {number: merged[number] for number in sorted(merged)}

    def state_dict(self):
        """As of the whole optimizer, for one process or many. Needs consolidate_state_dict() first, for this
        rank."""
        if self._consolidated is None:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. Please call "
                f"`consolidate_state_dict(to={self.process_group.rank()})` on all ranks beforehand if you "
                "meant to save the global state."
            )
        packed = super().state_dict()
        return {"state": self._consolidated, "param_groups": packed["param_groups"]}

    def local_state_dict(self):
        """The state of the own part, by the numbers of the parameters in the whole optimizer."""
        numbers = self._numbers()
        state = {} if self.optim is None else {numbers[id(p)]: dict(s) for p, s in self.optim.state.items()}
        return {"state": state, "param_groups": super().state_dict()["param_groups"]}

    def load_state_dict(self, state_dict):
        """Takes the own part of a whole optimizer's state."""
        super().load_state_dict(state_dict)
        if self.optim is not None:
            own = {id(p) for group in self.optim.param_groups for p in group["params"]}
            for parameter, state in self.state.items():
                if id(parameter) in own:
                    self.optim.state[parameter] = state
        self.state.clear()
        self._copy_options()
