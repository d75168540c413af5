"""Optimizer: the base of all optimizers."""

import copy
import functools
import math
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from itertools import chain

from .. import _C
from .._grad_mode import enable_grad, no_grad
from ..nn.module import RemovableHandle
from ..nn.parameter import are_divided

_grad_of = _C.Tensor.grad.__get__  # of a DTensor this rank's part, a plain tensor


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()
ParamsT = _params_t = Iterable  # tensors, pairs of names and tensors, or dictionaries of settings


_global_pre_hooks, _global_post_hooks = OrderedDict(), OrderedDict()


def _default_to_fused_or_foreach(params, differentiable, use_fused=False):
    """(fused, foreach): which of PyTorch's ways an optimizer takes by itself; here there is one."""
    return False, False


def register_optimizer_step_pre_hook(hook):
    """Calls hook(optimizer, args, kwargs) before each step of every optimizer."""
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Calls hook(optimizer, args, kwargs) after each step of every optimizer."""
    return _register(_global_post_hooks, hook)


def _register(hooks, hook, prepend=False):
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _with_hooks(step):
    """step with the hooks around it: all that a subclass defines as its step gets them too."""

    @functools.wraps(step)
    def hooked(self, *args, **kwargs):
        for hook in [*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()]:
            changed = hook(self, (self, *args), kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                (_, *args), kwargs = changed
        result = step(self, *args, **kwargs)
        self._opt_called = True  # schedules warn when they are stepped first
        for hook in [*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()]:
            hook(self, (self, *args), kwargs)
        return result

    hooked.hooked = True
    return hooked


def _use_grad_for_differentiable(step):
    """step with gradients on if the optimizer is differentiable, else off."""

    @functools.wraps(step)
    def wrapped(self, *args, **kwargs):
        with enable_grad() if self.defaults.get("differentiable") else no_grad():
            return step(self, *args, **kwargs)

    return wrapped


class Optimizer:
    """Parameter groups with options, and a state for each parameter."""

    # Whether each element is stepped by itself: of DTensors, each rank's part then.
    _by_element = True
    _HOOKS = (
        "_optimizer_step_pre_hooks",
        "_optimizer_step_post_hooks",
        "_optimizer_state_dict_pre_hooks",
        "_optimizer_state_dict_post_hooks",
        "_optimizer_load_state_dict_pre_hooks",
        "_optimizer_load_state_dict_post_hooks",
    )

    def __init__(self, params, defaults):
        self.defaults = defaults
        self._prepare_hooks()
        if isinstance(params, _C.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}"
            )
        if isinstance(params, set):
            warnings.warn(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead.",
                FutureWarning,
                stacklevel=3,
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list: the model has no parameters, or the generator that "
                "was passed is exhausted"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _prepare_hooks(self):
        for name in self._HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        kind = type(self)
        if not getattr(kind.step, "hooked", False):
            kind.step = _with_hooks(kind.step)

    def add_param_group(self, param_group):
        """Adds parameters, or pairs of names and parameters, with options of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        self._set_params(param_group)
        params = param_group["params"]
        for parameter in params:
            if not isinstance(parameter, _C.Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{type(parameter).__name__}"
                )
            if not (self.defaults.get("differentiable") or parameter.is_leaf or parameter.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                "an error",
                stacklevel=3,
            )
        named = "param_names" in param_group
        if any(("param_names" in other) != named for other in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer"
            )
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    @staticmethod
    def _set_params(group):
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, _C.Tensor) else list(params)
        names = [entry[0] for entry in params if isinstance(entry, tuple)]
        if names and len(names) != len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        if names:
            group["param_names"] = names
        group["params"] = [entry[1] if isinstance(entry, tuple) else entry for entry in params]

    def zero_grad(self, set_to_none=True):
        """Drops the gradients of all parameters, or zeroes them."""
        for group in self.param_groups:
            for parameter in group["params"]:
                grad = _grad_of(parameter)
                if grad is None:
                    continue
                if set_to_none:
                    parameter.grad = None
                else:
                    grad.detach_().zero_()

    def step(self, closure=None):
        """Changes the parameters by their gradients; closure recomputes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            used = [p for p in group["params"] if _grad_of(p) is not None]
            if not used:
                continue
            if group.get("differentiable"):
                with enable_grad():
                    Optimizer._update(self, group, used, [p.grad for p in used])
            elif self._by_element and are_divided(used):
                with no_grad(), _C.DisableTorchFunctionSubclass():
                    self._update(group, used, [_grad_of(p) for p in used])
            else:
                with no_grad():
                    self._update(group, used, [p.grad for p in used])
        return loss

    @staticmethod
    def _rate(group):
        lr = float(group["lr"])
        if not math.isfinite(lr):
            raise _C.ValueError(f"optimizer: the learning rate is {lr}; it must be finite")
        return lr

    def _update(self, group, params, grads):
        """One parameter after the other; optimizers with a kernel for all at once replace this.

        It also serves differentiable groups: _update_one then must not write over what backward reads.
        """
        lr = self._rate(group)
        for parameter, grad in zip(params, grads):
            state = self.state[parameter]
            if not state:
                state["step"] = zero_step()
                self._start(state, parameter, group)
            if "step" in state:
                next_steps([state])
            self._update_one(group, lr, parameter, -grad if group["maximize"] else grad, state)

    def _start(self, state, parameter, group):
        raise NotImplementedError

    def _update_one(self, group, lr, parameter, grad, state):
        raise NotImplementedError

    def register_step_pre_hook(self, hook):
        """Calls hook(optimizer, args, kwargs) before each step; it may return other (args, kwargs)."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """Calls hook(optimizer, args, kwargs) after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Calls hook(optimizer) before state_dict."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Calls hook(optimizer, state_dict) after state_dict; it may return another one."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Calls hook(optimizer, state_dict) before load_state_dict; it may return another one."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Calls hook(optimizer) after load_state_dict."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def state_dict(self):
        """State and options, parameters numbered in order."""
        for hook in list(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        numbers = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(k)] if isinstance(k, _C.Tensor) else k: _described(k, v) for k, v in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in list(self._optimizer_state_dict_post_hooks.values()):
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict):
        """Takes a copy of what state_dict returned."""
        state_dict = dict(state_dict)
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups = state_dict["param_groups"]
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, self.param_groups)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                "group"
            )
        by_number = dict(
            zip(
                chain.from_iterable(g["params"] for g in groups),
                chain.from_iterable(g["params"] for g in self.param_groups),
            )
        )
        state = defaultdict(dict)
        for number, entries in state_dict["state"].items():
            if number in by_number:
                state[by_number[number]] = _loaded(entries, by_number[number])
            else:
                state[number] = entries
        self.__setstate__(
            {
                "state": state,
                "param_groups": [self._loaded_group(new, old) for new, old in zip(groups, self.param_groups)],
            }
        )
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    @staticmethod
    def _loaded_group(new, old):
        group = copy.deepcopy({k: v for k, v in new.items() if k != "params"})
        group["params"] = old["params"]
        if "param_names" in old:
            group.setdefault("param_names", old["param_names"])
        return group

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._prepare_hooks()

    def __repr__(self):
        parts = []
        for number, group in enumerate(self.param_groups):
            options = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            parts.append("".join([f"\nParameter Group {number}\n", *options]))
        return f"{type(self).__name__} (" + "".join(parts) + ")"


def _described(parameter, entries):
    """The state of a parameter; of a taper.distributed.tensor.DTensor as DTensors."""
    if not hasattr(parameter, "_described"):
        return entries
    return {name: parameter._described(value) for name, value in entries.items()}


def _loaded(value, parameter, name=None):
    """A copy of value for parameter's state: in its dtype and on its device, except for the count of steps,
    which the host reads."""
    if isinstance(value, _C.Tensor):
        if hasattr(parameter, "_part_of"):
            value = parameter._part_of(value)
        value = value.to("cpu" if name == "step" else parameter.device)
        if name != "step" and parameter.is_floating_point():
            value = value.to(parameter.dtype)
        return value.detach().clone()
    if isinstance(value, dict):
        return {k: _loaded(v, parameter, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_loaded(entry, parameter) for entry in value)
    return copy.deepcopy(value)


def zero_step():
    """A count of steps, a float32 tensor as PyTorch keeps it."""
    return _C._homes["taper"]["zeros"]((), dtype=_C.float32)


def next_steps(states):
    """Counts one step in each state and returns the numbers; states loaded from elsewhere may hold plain
    numbers."""
    steps = []
    for state in states:
        if not isinstance(state["step"], _C.Tensor):
            state["step"] = zero_step() + state["step"]
        state["step"] += 1
        steps.append(int(state["step"].item()))
    return steps


def as_real(*tensors):
    """Complex tensors as pairs of real numbers along a last dimension, the others as they are."""
    return [_C._homes["taper"]["view_as_real"](t) if t.is_complex() else t for t in tensors]


def decayed(grad, parameter, weight_decay):
    """The gradient with that of weight_decay/2 * |parameter|^2 added."""
    return grad.add(parameter, alpha=weight_decay) if weight_decay != 0 else grad


def check_options(**options):
    """Raises ValueError for an option below zero (a pair: outside of [0, 1)), or a rate of many numbers."""
    for name, value in options.items():
        if name == "lr" and isinstance(value, _C.Tensor) and value.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if isinstance(value, tuple):
            for index, entry in enumerate(value):
                if not 0.0 <= entry < 1.0:
                    raise ValueError(f"Invalid {name} parameter at index {index}: {entry}")
        elif not value >= 0.0:
            label = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {label}: {value}")
