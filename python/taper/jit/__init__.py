"""PyTorch's decorators and entries for TorchScript. Nothing is compiled: functions and modules run as they
are."""

import contextlib
from typing import Final


def is_scripting():
    """Whether the code is being compiled: never."""
    return False


def is_tracing():
    """Whether the code is being traced: never."""
    return False


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """obj as it is: its Python code is what runs."""
    return obj


def trace(func, example_inputs=None, optimize=None, check_trace=True, *args, **kwargs):
    """func as it is, after one call with example_inputs; unlike a trace it follows every branch and shape."""
    if example_inputs is not None:
        func(*example_inputs) if isinstance(example_inputs, (tuple, list)) else func(example_inputs)
    return func


def trace_module(mod, inputs, *args, **kwargs):
    """mod as it is, after one call of each method named in inputs with its example."""
    for name, example in inputs.items():
        getattr(mod, name)(*example) if isinstance(example, (tuple, list)) else getattr(mod, name)(example)
    return mod


def save(m, f, _extra_files=None):
    """Throws NotImplementedError: code is not stored."""
    raise NotImplementedError(
        "jit.save: Taper stores tensors, not code; use taper.save(module.state_dict(), path) and build the "
        "module from its class when loading"
    )


def load(f, map_location=None, _extra_files=None, **kwargs):
    """Throws NotImplementedError: code is not stored."""
    raise NotImplementedError(
        "jit.load: Taper does not run TorchScript; load the weights with taper.load(path) into a module"
    )


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """mod as it is; throws in training mode, as PyTorch does."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your "
            "module before freezing."
        )
    return mod


def optimize_for_inference(mod, other_methods=None):
    """mod as it is."""
    return mod


def ignore(fn=None, drop=False, **options):
    """Leaves fn as it is."""
    return fn if callable(fn) else lambda function: function


def script_if_tracing(fn):
    """Leaves fn as it is."""
    return fn


def interface(obj):
    """Leaves obj as it is."""
    return obj


unused = export = script_method = _overload = _overload_method = interface


def fork(func, *args, **kwargs):
    """Calls func at once; wait() gives its result."""
    return func(*args, **kwargs)


def wait(future):
    """What fork returned."""
    return future


def annotate(the_type, the_value):
    """the_value."""
    return the_value


def is_scripting_or_tracing():
    """Whether the code is being compiled or traced: never."""
    return False


class ScriptModule:
    """What scripted modules are instances of in PyTorch; here none are."""


class Attribute:
    """A value with a type for the compiler: value is all that counts here."""

    def __init__(self, value, type):
        self.value, self.type = value, type


class Error(RuntimeError):
    """What PyTorch's compiled code raises."""


class TracerWarning(Warning):
    """What PyTorch warns of while it traces: never given."""


_script_if_tracing = script_if_tracing
RecursiveScriptModule = ScriptFunction = TracedModule = ScriptModule


def isinstance(obj, target_type):
    """Python's isinstance, where target_type may be an annotation such as list[int]."""
    import builtins
    import typing

    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return builtins.isinstance(obj, tuple(typing.get_origin(kind) or kind for kind in kinds))


def enable_onednn_fusion(enabled):
    """Accepted for PyTorch's sake: functions run as they are."""


def set_fusion_strategy(strategy):
    """Accepted for PyTorch's sake: functions run as they are."""
    return []


@contextlib.contextmanager
def optimized_execution(should_optimize):
    """A context that changes nothing."""
    yield


@contextlib.contextmanager
def fuser(name):
    """A context that changes nothing."""
    yield
