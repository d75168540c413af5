"""ZeroRedundancyOptimizer: every process keeps the optimizer's state of its part of the parameters."""

from taper import _C
from taper.distributed import objects
from taper.distributed.algorithms.join import Join, Joinable, JoinHook
from taper.distributed.job import _resolve
from taper.optim.optimizer import Optimizer


class _StepJoinHook(JoinHook):
    """Stands in for a ZeroRedundancyOptimizer."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def main_hook(self):
        """Updates the own parameters, by the gradients that are there, and gets the others'."""
        self.optimizer.step()


def _checked(params):
    """The parameters, or groups, as a list."""
    if isinstance(params, _C.Tensor) or not hasattr(params, "__iter__"):
        raise TypeError(
            f"`params` argument should be an iterable of Tensors or dicts, but got {type(params).__name__}"
        )
    given = list(params)
    if not given:
        raise ValueError("ZeroRedundancyOptimizer got an empty parameter list")
    groups = given if all(isinstance(entry, dict) for entry in given) else [{"params": given}]
    if any("params" not in group for group in groups):
        raise ValueError("Each parameter group passed-in via `params` must have a 'params' key")
    tensors = [tensor for group in groups for tensor in group["params"]]
    if not all(isinstance(tensor, _C.Tensor) for tensor in tensors):
        raise TypeError("`params` argument should be an iterable of Tensors or dicts")
    kinds = sorted({str(tensor.dtype) for tensor in tensors})
    if len(kinds) > 1:
        raise ValueError(
            "ZeroRedundancyOptimizer only supports using the same dense type for all parameters but got "
            + " and ".join(kinds)
        )
    return given


def _broadcast_object(obj, src_rank, group=None, device="cpu"):
    """The object of this rank of the job, on all ranks of the group. Tensors stay where they were."""
    values = [obj]
    objects.broadcast_object_list(values, src_rank, group)
    return values[0]


class ZeroRedundancyOptimizer(Optimizer, Joinable):
    """Rajbhandari et al. 2020, arXiv:1910.02054, stage 1: parameters are dealt out to the processes of a
    group by size; each updates its own, and sends them to the others. Gradients must be equal in all
    processes, as DistributedDataParallel leaves them.

    optimizer_class is made of the own parameters, with the further arguments. parameters_as_bucket_view,
    which changes no result, is accepted.

    With overlap_with_ddp it takes its steps within the backward passes of a DistributedDataParallel whose
    hook is made by taper.distributed.algorithms.ddp_comm_hooks.ddp_zero_hook.hook_with_zero_step; step()
    does nothing then.
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
        params, self._overlaps = _checked(params), overlap_with_ddp
        self.process_group = _resolve(process_group)
        if self.process_group is None:
            raise ValueError("ZeroRedundancyOptimizer: this process is not in the given process group")
        self._class, self._arguments, self._consolidated = optimizer_class, defaults, None
        self.optim = self._owners = None
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
        if self._overlaps and self.param_groups:
            raise RuntimeError(
                "ZeroRedundancyOptimizer with `overlap_with_ddp=True` only supports a single parameter group"
            )
        super().add_param_group(param_group)
        if self._owners is not None:
            self._divide()

    def _copy_options(self):
        if self.optim is not None:
            for group, own in zip(self.param_groups, self.optim.param_groups):
                own.update({name: value for name, value in group.items() if name != "params"})

    def step(self, closure=None, **kwargs):
        """Updates the own parameters and gets the others'."""
        if self._overlaps:
            return None
        Join.notify_join_context(self)
        return self._update(closure, **kwargs)

    def _update(self, closure=None, **kwargs):
        self._copy_options()
        if self.optim is not None:
            loss = self.optim.step(closure, **kwargs) if closure is not None else self.optim.step(**kwargs)
            for group, own in zip(self.param_groups, self.optim.param_groups):
                group.update({name: value for name, value in own.items() if name != "params"})
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

    def join_hook(self, **kwargs):
        """What a process without data does: see taper.distributed.algorithms.join.Join."""
        return _StepJoinHook(self)

    @property
    def join_device(self):
        """Where the parameters are."""
        return self.param_groups[0]["params"][0].device

    @property
    def join_process_group(self):
        """The group that shares the parameters."""
        return self.process_group

    @property
    def _all_params(self):
        return [p for group in self.param_groups for p in group["params"]]

    def _numbers(self):
        return {id(p): number for number, p in enumerate(self._all_params)}

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
