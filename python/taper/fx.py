"""PyTorch's tracer of programs, of which Taper has the marks: functions run as they are written."""


def wrap(fn_or_name):
    """fn_or_name as it is: a mark for the tracer, usable as a decorator."""
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    return fn_or_name


def symbolic_trace(root, concrete_args=None):
    """Throws NotImplementedError: programs are not translated to graphs."""
    raise NotImplementedError(
        "fx: Taper does not trace programs; call the module, and read what is inside with forward hooks"
    )


class _Traced:
    def __init__(self, *args, **kwargs):
        symbolic_trace(None)


class Tracer(_Traced):
    """Nothing is traced; making one throws NotImplementedError."""


class Graph(_Traced):
    """What a tracer gives in PyTorch; making one throws NotImplementedError."""


class GraphModule(_Traced):
    """A module made of a graph in PyTorch; here no module is one."""


class Node(_Traced):
    """A step of a graph in PyTorch; here there are none."""


class Proxy(_Traced):
    """What stands for a tensor while a program is traced in PyTorch; here no value is one."""


class Interpreter(_Traced):
    """What runs a graph in PyTorch; making one throws NotImplementedError."""
