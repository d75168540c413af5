"""Averages of parameters over the ranks of a group."""

from taper._grad_mode import no_grad
from taper.distributed.collectives import ReduceOp
from taper.distributed.job import _resolve


def average_parameters(params, process_group):
    """Parameters become the average of all ranks'; elsewhere than in the group they stay."""
    group = _resolve(process_group)
    if group is None:
        return
    with no_grad():
        works = [group._all_reduce(parameter, ReduceOp.AVG, True) for parameter in params]
        for work in works:
            work.wait()


def get_params_to_average(params):
    """Those that have a gradient, of parameters or of groups of an optimizer."""
    entries = [entry["params"] if isinstance(entry, dict) else [entry] for entry in params]
    return [parameter for entry in entries for parameter in entry if parameter.grad is not None]


def average_parameters_or_parameter_groups(params, process_group):
    """average_parameters() of those that have a gradient."""
    average_parameters(get_params_to_average(params), process_group)
