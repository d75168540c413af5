"""What programs ask of PyTorch's compiler under its inner name; see taper.compiler."""

from ..compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset
from . import config, eval_frame
from .eval_frame import OptimizedModule


def mark_dynamic(t, index, *, hint_override=None, min=None, max=None, specialize_on=None):
    """Nothing to do: every size may change from call to call."""


maybe_mark_dynamic = mark_static = mark_unbacked = mark_dynamic


def mark_static_address(t, guard=False):
    """Nothing to do: no address is compiled into a program."""


def graph_break(msg=""):
    """Nothing to do: there is no graph to end."""
