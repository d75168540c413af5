"""State dictionaries of models and optimizers that are divided among processes, by names of parameters."""

import functools
import warnings
from contextlib import nullcontext
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
    """full_state_dict: whole tensors instead of this rank's parts. cpu_offload: in main memory, whole ones on
    rank 0 only. broadcast_from_rank0: what is set is rank 0's, whole. strict: names must fit.
    keep_submodule_prefixes: whether names of parts of a model begin with the part's.
    flatten_optimizer_state_dict: one level, with keys like state.NAME.exp_avg and param_groups.NAME.lr."""

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False


def _checked(options):
    options = options or StateDictOptions()
    if options.broadcast_from_rank0 and not options.full_state_dict:
        raise ValueError("full_state_dict must be True when broadcast_from_rank0 is True.")
    return options


def _is_fully_sharded(module):
    return type(module).__name__ == "FullyShardedDataParallel"


def _inner(model):
    while isinstance(model, DistributedDataParallel) or _is_fully_sharded(model):
        model = model.module
    return model


def _name_of_wrapped(model):
    """A function from names in model to those without the wrappers in it."""
    replicas = [p + "." for p, m in model.named_modules() if isinstance(m, DistributedDataParallel)]

    def name_of(name):
        for path in reversed(replicas):
            if name.startswith(path + "module."):
                name = path + name[len(path + "module.") :]
        return name.replace(_PREFIX, "").replace(_FSDP_PREFIX, "")

    return name_of


def _in_parts(model):
    """Within it, the wrappers of FullyShardedDataParallel in model show parts."""
    if not any(map(_is_fully_sharded, model.modules())):
        return nullcontext()
    from ..fsdp import FullyShardedDataParallel, StateDictType

    return FullyShardedDataParallel.state_dict_type(model, StateDictType.SHARDED_STATE_DICT)


def _whole(value, options):
    """A copy, in main memory with cpu_offload."""
    if not isinstance(value, _C.Tensor):
        return value
    value = value.detach()
    value = value.full_tensor() if isinstance(value, DTensor) else value.clone()
    return value.cpu() if options.cpu_offload else value


def _on_host(value):
    if not isinstance(value, _C.Tensor):
        return value
    return value._like(value._part.cpu()) if isinstance(value, DTensor) else value.cpu()


def _here(options):
    """Whether this rank keeps whole tensors."""
    alone = not _C._distributed.is_initialized() or _resolve(None).rank() == 0
    return alone or not (options.full_state_dict and options.cpu_offload)


def _is_within(model, submodules):
    """A function from names to the prefix of the submodule that they are in, None where they are in none."""
    if not submodules:
        return lambda name: ""
    warnings.warn(
        "Getting submodules only model/optim state_dict is deprecated; filter what get_state_dict returns",
        FutureWarning,
        stacklevel=4,
    )
    clean = _name_of_wrapped(model)
    paths = [clean(path + ".") for path, module in model.named_modules() if module in submodules]
    return lambda name: next((path for path in paths if name.startswith(path)), None)


def get_model_state_dict(model, *, submodules=None, options=None):
    """By name, without the wrappers: tensors, of which divided ones are DTensors, or with full_state_dict
    whole copies, for which all ranks call it."""
    options, state, model = _checked(options), {}, _inner(model)
    name_of, prefix_of = _name_of_wrapped(model), _is_within(model, submodules)
    frozen = {name for name, p in _parameters(model) if not p.requires_grad}
    with _in_parts(model):
        own = type(model).state_dict(model, keep_vars=True)  # whatever was patched
    for name, value in ((name_of(name), value) for name, value in own.items()):
        prefix = prefix_of(name)
        if prefix is None or (options.ignore_frozen_params and name in frozen):
            continue
        if isinstance(value, _C.Tensor):
            value = _whole(value, options) if options.full_state_dict else value.detach()
            value = _on_host(value) if options.cpu_offload else value
        state[name if options.keep_submodule_prefixes else name[len(prefix) :]] = value
    return state if _here(options) else {}


def set_model_state_dict(model, model_state_dict, *, options=None):
    """Takes what get_model_state_dict gave, whole or in parts; gives memory to what is on meta. Returns
    missing and unexpected names."""
    options, model = _checked(options), _inner(model)
    values = _from_rank_0(model_state_dict) if options.broadcast_from_rank0 else model_state_dict
    if values and all(isinstance(key, taper.nn.Module) for key in values):
        values = _by_names_in(model, values)
    with _in_parts(model):
        if any(isinstance(m, DistributedDataParallel) for m in model.modules()):
            name_of = _name_of_wrapped(model)
            own = {name_of(name): name for name in type(model).state_dict(model)}
            values = {own.get(name, name): value for name, value in values.items()}
        is_away = any(tensor.device.type == "meta" for tensor in (*model.parameters(), *model.buffers()))
        return type(model).load_state_dict(model, values, strict=options.strict, assign=is_away)


def _by_names_in(model, by_module):
    warnings.warn(
        "Passing model_state_dict as a ``Dict[nn.Module, Dict[str, Any]]`` is deprecated; join the names",
        FutureWarning,
        stacklevel=3,
    )
    paths = {module: path + "." if path else "" for path, module in model.named_modules()}
    return {paths[module] + name: v for module, state in by_module.items() for name, v in state.items()}


def _from_rank_0(values):
    from ..objects import broadcast_object_list

    held = [dict(values) if _resolve(None).rank() == 0 else None]
    broadcast_object_list(held)
    return held[0]


def _parameters(model):
    """(name, parameter), by the names of state_dict(): without the wrappers that keep no activations."""
    model = _inner(model)
    name_of = _name_of_wrapped(model)
    for name, parameter in model.named_parameters():
        yield name_of(name), parameter


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
    return _on_host(value) if to_host else value


def get_optimizer_state_dict(model, optimizers, *, submodules=None, options=None):
    """The optimizer's state by names of parameters; tensors as in get_model_state_dict."""
    options, prefix_of = _checked(options), _is_within(_inner(model), submodules)
    optimizers = optimizers if isinstance(optimizers, (list, tuple)) else [optimizers]
    for optimizer in optimizers:
        _begin_state(optimizer)
    state = named_optimizer_state(model, optimizers, options, None, options.cpu_offload)
    state["state"] = {name: entry for name, entry in state["state"].items() if prefix_of(name) is not None}
    for group in state["param_groups"]:
        group["params"] = [name for name in group["params"] if prefix_of(name) is not None]
    if not _here(options):
        return {}
    return _flattened(state) if options.flatten_optimizer_state_dict else state


def _flattened(state):
    flat = {f"state.{n}.{key}": v for n, entry in state["state"].items() for key, v in entry.items()}
    for group in state["param_groups"]:
        for name in group["params"]:
            flat.update({f"param_groups.{name}.{key}": v for key, v in group.items() if key != "params"})
    return flat


def _unflattened(flat):
    """The reverse, with a group for each parameter."""
    state, groups = {}, {}
    for key, value in flat.items():
        kind, rest = key.split(".", 1)
        name, entry = rest.rsplit(".", 1)
        (state if kind == "state" else groups).setdefault(name, {})[entry] = value
    return {"state": state, "param_groups": [{**group, "params": [name]} for name, group in groups.items()]}


def names_in_order(model, optimizer=None):
    """The names of parameters as the optimizer counts them; without one, as model.parameters() does."""
    if optimizer is None:
        return [name for name, _ in _parameters(model)]
    name_of = _named(model)
    return [name_of(p) for group in optimizer.param_groups for p in group["params"]]


def _local_optimizer_state(model, optimizer, state_dict):
    """What optimizer.load_state_dict takes, of a state by names; without an optimizer, what one of
    model.parameters() takes."""
    if "state" not in state_dict and any(key.startswith("state.") for key in state_dict):
        state_dict = _unflattened(state_dict)
    name_of, number, state, groups = _named(model), 0, {}, []
    saved = {name: group for group in state_dict["param_groups"] for name in group["params"]}
    if any(isinstance(name, int) for name in saved):  # what the optimizer's own state_dict() gave
        return state_dict
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
    """Takes what get_optimizer_state_dict gave, whole or in parts, or the optimizer's state_dict()."""
    options = _checked(options)
    values = _from_rank_0(optim_state_dict) if options.broadcast_from_rank0 else optim_state_dict
    if not values:
        return
    for optimizer in optimizers if isinstance(optimizers, (list, tuple)) else [optimizers]:
        type(optimizer).load_state_dict(optimizer, _local_optimizer_state(model, optimizer, values))


def get_state_dict(model, optimizers, *, submodules=None, options=None):
    """(get_model_state_dict(...), get_optimizer_state_dict(...))."""
    return (
        get_model_state_dict(model, submodules=submodules, options=options),
        get_optimizer_state_dict(model, optimizers, submodules=submodules, options=options),
    )


def set_state_dict(model, optimizers, *, model_state_dict, optim_state_dict, options=None):
    """Sets both; returns missing and unexpected names of the model."""
    result = set_model_state_dict(model, model_state_dict, options=options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return result


def _patch_model_state_dict(model, *, options=None):
    """model.state_dict() gives what get_model_state_dict gives, and load_state_dict() takes it."""
    model.state_dict = functools.partial(get_model_state_dict, model, options=options)
    model.load_state_dict = functools.partial(_set_patched, model, options)


def _set_patched(model, options, state_dict):
    return set_model_state_dict(model, state_dict, options=options)


def _patch_optimizer_state_dict(model, *, optimizers, options=None):
    """The same of optimizers: state dictionaries by names of parameters."""
    optimizers = optimizers if isinstance(optimizers, (list, tuple)) else [optimizers]
    for optimizer in optimizers:
        optimizer.state_dict = functools.partial(get_optimizer_state_dict, model, optimizers, options=options)
        optimizer.load_state_dict = functools.partial(_set_patched_optimizers, model, optimizers, options)


def _set_patched_optimizers(model, optimizers, options, state_dict):
    set_optimizer_state_dict(model, optimizers, state_dict, options=options)
