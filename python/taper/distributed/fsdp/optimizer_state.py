"""The state of an optimizer of a FullyShardedDataParallel, by names of parameters."""

from ..checkpoint import state_dict as by_name
from ..job import _resolve
from ..objects import broadcast_object_list
from .api import OptimStateKeyType, ShardedOptimStateDictConfig, StateDictType


def _settings(model):
    from .fully_sharded_data_parallel import FullyShardedDataParallel

    return FullyShardedDataParallel.get_state_dict_type(model)


def _given(model, optim, whole, config, group, state=None):
    rank0_only = getattr(config, "rank0_only", False)
    options = by_name.StateDictOptions(full_state_dict=whole)
    state = by_name.named_optimizer_state(model, [optim], options, state, config.offload_to_cpu)
    return {} if rank0_only and _resolve(group).rank() else state


def optim_state_dict(model, optim, optim_state_dict=None, group=None):
    """The optimizer's state, or optim_state_dict, what its state_dict() was, by the names of parameters: as
    the settings of state_dict_type() say, whole or this rank's parts as DTensors. All ranks call it."""
    settings = _settings(model)
    whole = settings.state_dict_type is StateDictType.FULL_STATE_DICT
    return _given(model, optim, whole, settings.optim_state_dict_config, group, optim_state_dict)


def full_optim_state_dict(model, optim, optim_input=None, rank0_only=True, group=None):
    """The whole state in main memory; with rank0_only nothing on other ranks. All ranks call it."""
    options = by_name.StateDictOptions(full_state_dict=True)
    state = by_name.named_optimizer_state(model, [optim], options, None, True)
    return {} if rank0_only and _resolve(group).rank() else state


def sharded_optim_state_dict(model, optim, group=None):
    """This rank's parts of the state, as DTensors."""
    return _given(model, optim, False, ShardedOptimStateDictConfig(), group)


def optim_state_dict_to_load(
    model, optim, optim_state_dict, is_named_optimizer=False, load_directly=False, group=None
):
    """What optim.load_state_dict takes, of what optim_state_dict() gave, at any number of ranks. With
    rank0_only set by state_dict_type() it is what rank 0 was given. With load_directly it is loaded."""
    if getattr(_settings(model).optim_state_dict_config, "rank0_only", False):
        return scatter_full_optim_state_dict(optim_state_dict, model, optim=optim, group=group)
    state = by_name._local_optimizer_state(model, optim, optim_state_dict)
    if load_directly:
        optim.load_state_dict(state)
    return state


def shard_full_optim_state_dict(full_optim_state_dict, model, optim_input=None, optim=None):
    """What optim.load_state_dict takes, of a whole state or of parts; without optim, what an optimizer of
    model.parameters() takes."""
    return by_name._local_optimizer_state(model, optim, full_optim_state_dict)


def scatter_full_optim_state_dict(full_optim_state_dict, model, optim_input=None, optim=None, group=None):
    """shard_full_optim_state_dict of what the first rank of group was given. All its ranks call it."""
    held = [full_optim_state_dict]
    broadcast_object_list(held, group=group, group_src=0)
    return shard_full_optim_state_dict(held[0], model, optim_input, optim)


def rekey_optim_state_dict(optim_state_dict, optim_state_key_type, model, optim_input=None, optim=None):
    """The same state by the names of parameters, or by their numbers in optim or in model.parameters()."""
    names = by_name.names_in_order(model, optim)
    if optim_state_key_type is OptimStateKeyType.PARAM_NAME:
        keys = dict(enumerate(names))
    else:
        keys = {name: number for number, name in enumerate(names)}
    groups = [
        {**group, "params": sorted(keys[key] for key in group["params"])}
        for group in optim_state_dict["param_groups"]
    ]
    return {"state": {keys[key]: v for key, v in optim_state_dict["state"].items()}, "param_groups": groups}
