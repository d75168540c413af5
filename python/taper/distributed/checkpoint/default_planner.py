"""What save and load may be told about entries."""

from taper import _C


def _check_flat(name, flatten_state_dict):
    if not flatten_state_dict:
        raise _C.NotImplementedError(f"{name}: entries of nested dictionaries always have names of their own")


class DefaultSavePlanner:
    """save(state, planner=DefaultSavePlanner()). dedup_save_to_lowest_rank: what several ranks hold is
    written by the lowest of them; else such entries are dealt out by size. The other arguments are taken for
    PyTorch's sake."""

    def __init__(
        self,
        flatten_state_dict=True,
        flatten_sharded_tensors=True,
        dedup_replicated_tensors=None,
        dedup_save_to_lowest_rank=False,
        enable_plan_caching=False,
    ):
        _check_flat("DefaultSavePlanner", flatten_state_dict)
        self.dedup_save_to_lowest_rank = dedup_save_to_lowest_rank


class DefaultLoadPlanner:
    """load(state, planner=DefaultLoadPlanner(allow_partial_load=True)): entries that the checkpoint lacks
    stay as they are; without it they are an error."""

    def __init__(self, flatten_state_dict=True, flatten_sharded_tensors=True, allow_partial_load=False):
        _check_flat("DefaultLoadPlanner", flatten_state_dict)
        self.allow_partial_load = allow_partial_load


class _EmptyStateDictLoadPlanner(DefaultLoadPlanner):
    """Fills a state that is empty with all that a checkpoint holds, whole; or with the entries whose names,
    paths joined by dots, are among keys or within them."""

    def __init__(self, keys=None, *args, **kwargs):
        self.keys = keys
        super().__init__(*args, **kwargs)
