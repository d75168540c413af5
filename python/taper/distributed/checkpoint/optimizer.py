"""The state of an optimizer alone, read from a checkpoint."""

from .state_dict_loader import _load_state_dict_from_keys


def load_sharded_optimizer_state_dict(model_state_dict, optimizer_key, storage_reader, planner=None):
    """{optimizer_key: ...} as the checkpoint has it, with whole tensors, of which load_state_dict of the
    optimizer, or FullyShardedDataParallel.optim_state_dict_to_load, takes this rank's parts."""
    return _load_state_dict_from_keys(optimizer_key, storage_reader=storage_reader)
