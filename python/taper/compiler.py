"""taper.compile and PyTorch's questions about compilation: functions run as they are written.

Nothing is traced or translated, so a "compiled" function or module computes exactly what it does without. The
calls
are accepted so that programs run; taper.compiler.is_available() tells that no compiler is there.
"""

import functools


def compile(
    model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False
):
    """model, to be called as before: Taper runs operations one by one.

    A module is returned as it is, so that its parameters and state_dict keep their names. Usable as a
    decorator, with
    and without options. Throws TypeError for what cannot be called.
    """
    if model is None:
        return lambda function: compile(function)
    if not callable(model):
        raise TypeError(f"compile: expected a function or a module, got {type(model).__name__}")
    return model


def is_available():
    """Whether functions are translated: never."""
    return False


def is_compiling():
    """Whether the code is being compiled: never."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn=None, recursive=True, *, reason=None):
    """fn, which nothing would have compiled."""
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn):
    """fn as it is."""
    return fn


def assume_constant_result(fn):
    """fn as it is."""
    return fn


def reset():
    """Forgets what was compiled: nothing was."""


def cudagraph_mark_step_begin():
    """Marks a step of the program: nothing to mark without CUDA graphs."""


def list_backends(exclude_tags=()):
    """The names of the compilers: none."""
    return []


class set_stance:
    """Accepted: whatever the stance, functions run as they are written."""

    def __init__(self, stance="default", **options):
        if stance not in ("default", "force_eager", "eager_on_recompile", "fail_on_recompile"):
            raise RuntimeError(f"set_stance: unknown stance {stance!r}")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def __call__(self, function):
        return functools.wraps(function)(lambda *args, **kwargs: function(*args, **kwargs))
