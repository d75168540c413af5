"""State dictionaries of models and optimizers that are divided among processes, by names of parameters."""

from dataclasses import dataclass

import taper
from taper import _C
from taper.nn.parallel import DistributedDataParallel

from ..algorithms._checkpoint.checkpoint_wrapper import _PREFIX
from ..job import _resolve
from ..tensor.dtensor import DTensor

_FSDP_PREFIX = "_fsdp_wrapped_module."


@dataclass
class StateDictOptions:
    """full_state_dict: whole tensors instead of this rank's parts; with cpu_offload in main memory, on rank 0
    only. broadcast_from_rank0: what is set is rank 0's. strict: names must fit."""

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False


def _inner(model):
    while isinstance(model, DistributedDataParallel) or type(model).__name__ == "FullyShardedDataParallel":
        model = model.module
    return model


def _whole(value, options):
    """A copy, in main memory with cpu_offload."""
    if not isinstance(value, _C.Tensor):
        return value
    value = value.detach()
    value = value.full_tensor() if isinstance(value, DTensor) else value.clone()
    return value.cpu() if options.cpu_offload else value


def _here(options):
    """Whether this rank keeps whole tensors."""
    alone = not _C._distributed.is_initialized() or _resolve(None).rank() == 0
    return alone or not (options.full_state_dict and options.cpu_offload)


def get_model_state_dict(model, *, submodules=None, options=None):
    """By name: tensors, of which divided ones are DTensors, or with full_state_dict whole copies, for which
    all ranks call it."""
    options = options or StateDictOptions()
    state = {}
    frozen = {name for name, p in _parameters(model) if not p.requires_grad}
    for name, value in _inner(model).state_dict(keep_vars=True).items():
        if options.ignore_frozen_params and name in frozen:
            continue
        if isinstance(value, _C.Tensor):
            value = _whole(value, options) if options.full_state_dict else value.detach()
        state[name] = value
    return state if _here(options) else {}


def set_model_state_dict(model, model_state_dict, *, options=None):
    """Takes what get_model_state_dict gave, whole or in parts. Returns missing and unexpected names."""
    options, model = options or StateDictOptions(), _inner(model)
    values = _from_rank_0(model_state_dict) if options.broadcast_from_rank0 else model_state_dict
    return model.load_state_dict(values, strict=options.strict)


def _from_rank_0(values):
    from ..objects import broadcast_object_list

    held = [dict(values) if _resolve(None).rank() == 0 else None]
    broadcast_object_list(held)
    return held[0]


def _parameters(model):
    """(name, parameter), by the names of state_dict(): without the wrappers that keep no activations."""
    for name, parameter in _inner(model).named_parameters():
        yield name.replace(_PREFIX, "").replace(_FSDP_PREFIX, ""), parameter


def _named(model):
    names = {id(p): name for name, p in _parameters(model)}

    def name_of(parameter):
        if id(parameter) not in names:
            raise ValueError("optimizer state: the optimizer has a parameter that the model does not have")
        return names[id(parameter)]

    return name_of


def _begin_state(optimizer):
    """Makes the state that the first step would make, and changes nothing else."""
    if optimizer.state or any(p.grad is not None for g in optimizer.param_groups for p in g["params"]):
        return
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
        for parameter in group["params"]:
            if parameter.requires_grad:
                parameter.grad = taper.zeros_like(parameter.detach())
    optimizer.step()
    for group, rate in zip(optimizer.param_groups, rates):
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)


def named_optimizer_state(model, optimizers, options, saved=None, to_host=False):
    """The state of optimizers, or saved, what the state_dict() of the only one was, by names of parameters;
    tensors as in get_model_state_dict, in main memory if to_host says so."""
    name_of, state, groups = _named(model), {}, []
    for optimizer in optimizers:
        number = 0
        for place, group in enumerate(optimizer.param_groups):
            names = [name_of(p) for p in group["params"]]
            options_of = group if saved is None else saved["param_groups"][place]
            groups.append({**options_of, "params": names})
            for name, parameter in zip(names, group["params"]):
                own = optimizer.state.get(parameter, {}) if saved is None else saved["state"].get(number, {})
                number += 1
                entry = {key: _described(parameter, value, options, to_host) for key, value in own.items()}
                if entry:
                    state[name] = entry
    return {"state": state, "param_groups": groups}


def _described(parameter, value, options, to_host):
    value = parameter._described(value) if isinstance(parameter, DTensor) else value
    if options.full_state_dict:
        value = _whole(value, options)
    if not to_host or not isinstance(value, _C.Tensor):
        return value
    return value._like(value._part.cpu()) if isinstance(value, DTensor) else value.cpu()


def get_optimizer_state_dict(model, optimizers, *, submodules=None, options=None):
    """The optimizer's state by names of parameters; tensors as in get_model_state_dict."""
    options = options or StateDictOptions()
    optimizers = optimizers if isinstance(optimizers, (list, tuple)) else [optimizers]
    for optimizer in optimizers:
        _begin_state(optimizer)
    state = named_optimizer_state(model, optimizers, options)
    return state if _here(options) else {}


def names_in_order(model, optimizer=None):
    """The names of parameters as the optimizer counts them; without one, as model.parameters() does."""
    if optimizer is None:
        return [name for name, _ in _parameters(model)]
    name_of = _named(model)
    return [name_of(p) for group in optimizer.param_groups for p in group["params"]]


def _local_optimizer_state(model, optimizer, state_dict):
    """What optimizer.load_state_dict takes, of a state by names; without an optimizer, what one of
    model.parameters() takes."""
    name_of, number, state, groups = _named(model), 0, {}, []
    saved = {name: group for group in state_dict["param_groups"] for name in group["params"]}
    own = [{"params": list(model.parameters())}] if optimizer is None else optimizer.param_groups
    for group in own:
        numbers = []
        for parameter in group["params"]:
            name = name_of(parameter)
            if name in state_dict["state"]:
                state[number] = dict(state_dict["state"][name])
            numbers.append(number)
            number += 1
        first = saved.get(name_of(group["params"][0]), {}) if group["params"] else {}
        groups.append({**{k: v for k, v in group.items() if k != "params"}, **first, "params": numbers})
    return {"state": state, "param_groups": groups}


def set_optimizer_state_dict(model, optimizers, optim_state_dict, *, options=None):
    """Takes what get_optimizer_state_dict gave, whole or in parts."""
    options = options or StateDictOptions()
    values = _from_rank_0(optim_state_dict) if options.broadcast_from_rank0 else optim_state_dict
    for optimizer in optimizers if isinstance(optimizers, (list, tuple)) else [optimizers]:
        optimizer.load_state_dict(_local_optimizer_state(model, optimizer, values))


def get_state_dict(model, optimizers, *, submodules=None, options=None):
    """(get_model_state_dict(...), get_optimizer_state_dict(...))."""
    return (
        get_model_state_dict(model, options=options),
        get_optimizer_state_dict(model, optimizers, options=options),
    )


def set_state_dict(model, optimizers, *, model_state_dict, optim_state_dict, options=None):
    """Sets both; returns missing and unexpected names of the model."""
    result = set_model_state_dict(model, model_state_dict, options=options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return result
