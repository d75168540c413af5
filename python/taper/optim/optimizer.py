"""Optimizer: the base of all optimizers."""

import math
from collections import OrderedDict, defaultdict
from copy import deepcopy
from itertools import chain

from .. import _C
from .._grad_mode import enable_grad, no_grad
from ..nn.module import RemovableHandle


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()


class Optimizer:
    """Parameter groups with options, and a state for each parameter."""

    def __init__(self, params, defaults):
        if isinstance(params, _C.Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                            f"{type(params).__name__}")
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        self._pre_hooks, self._post_hooks = OrderedDict(), OrderedDict()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list: the model has no parameters, or the generator that "
                             "was passed is exhausted")
        if isinstance(groups[0], tuple):
            groups = [parameter for _, parameter in groups]
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Adds parameters with options of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors "
                            "in sets will change between runs. Please use a list instead.")
        params = [params] if isinstance(params, _C.Tensor) else list(params)
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        for parameter in params:
            if not isinstance(parameter, _C.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        group = {**param_group, "params": params}
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def zero_grad(self, set_to_none=True):
        """Drops the gradients of all parameters, or zeroes them."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if set_to_none:
                    parameter.grad = None
                else:
                    parameter.grad = parameter.grad.detach().zero_()

    def step(self, closure=None):
        """Changes the parameters by their gradients; closure recomputes the loss, which is returned."""
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                used = [p for p in group["params"] if p.grad is not None]
                if used:
                    self._check_rate(group["lr"])
                    self._update(group, used, [p.grad for p in used])
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        return loss

    @staticmethod
    def _check_rate(lr):
        if not math.isfinite(lr):
            raise _C.ValueError(f"optimizer: the learning rate is {lr}; it must be finite")

    def _update(self, group, params, grads):
        raise NotImplementedError

    def register_step_pre_hook(self, hook):
        """Calls hook(optimizer, args, kwargs) before each step."""
        handle = RemovableHandle(self._pre_hooks)
        self._pre_hooks[handle.id] = hook
        return handle

    def register_step_post_hook(self, hook):
        """Calls hook(optimizer, args, kwargs) after each step."""
        handle = RemovableHandle(self._post_hooks)
        self._post_hooks[handle.id] = hook
        return handle

    def state_dict(self):
        """State and options, parameters numbered in order."""
        numbers = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {numbers[id(k)] if isinstance(k, _C.Tensor) else k: v for k, v in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Takes a copy of what state_dict returned."""
        groups = state_dict["param_groups"]
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, self.param_groups)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        by_number = dict(zip(chain.from_iterable(g["params"] for g in groups),
                             chain.from_iterable(g["params"] for g in self.param_groups)))
        state = defaultdict(dict)
        for number, entries in state_dict["state"].items():
            parameter = by_number.get(number)
            if parameter is None:
                state[number] = entries
                continue
            state[parameter] = {k: self._loaded(k, v, parameter) for k, v in entries.items()}
        self.state = state
        self.param_groups = [{**deepcopy({k: v for k, v in new.items() if k != "params"}), "params": old["params"]}
                             for new, old in zip(groups, self.param_groups)]

    @staticmethod
    def _loaded(name, value, parameter):
        if not isinstance(value, _C.Tensor):
            return deepcopy(value)
        if name != "step" and parameter.is_floating_point():
            return value.detach().to(parameter.dtype).clone()
        return value.detach().clone()

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._pre_hooks, self._post_hooks = OrderedDict(), OrderedDict()

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines + [")"])


def check_options(**options):
    """Raises ValueError for an option below zero (or, as a pair, outside of [0, 1))."""
    for name, value in options.items():
        if isinstance(value, tuple):
            for index, entry in enumerate(value):
                if not 0.0 <= entry < 1.0:
                    raise ValueError(f"Invalid {name} parameter at index {index}: {entry}")
        elif not value >= 0.0:
            label = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {label}: {value}")
