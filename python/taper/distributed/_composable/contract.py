"""Functions that change a module in place, once, and keep its names."""

import functools

from taper.nn.module import Module

_STATES = "_composable_states"


class _State:
    """What a function remembers of a module."""


def _get_registry(module):
    """By name: the functions that were applied to module."""
    return module.__dict__.get(_STATES, {})


def _names(modules):
    kinds = ("named_parameters", "named_buffers", "named_modules")
    return [[name for name, _ in getattr(module, kind)()] for module in modules for kind in kinds]


def contract(state_cls=_State):
    """A decorator for functions of a module, or of a list of modules, which return them changed.
    function.state(module) is an object of state_cls, for the function's use, or None where it was not
    applied. Raises AssertionError if it is applied twice, RuntimeError if it changes names."""

    def decorate(function):
        @functools.wraps(function)
        def apply(module, *args, **kwargs):
            modules = [module] if isinstance(module, Module) else list(module)
            state = state_cls()
            for one in modules:
                registry = one.__dict__.setdefault(_STATES, {})
                if function.__name__ in registry:
                    raise AssertionError(
                        "Each distinct composable distributed API can only be applied to a module once. "
                        f"{function.__name__} has already been applied to the following module:\n{one}"
                    )
                registry[function.__name__] = state
            before = _names(modules)
            result = function(module, *args, **kwargs)
            result = module if result is None else result
            if _names([result] if isinstance(result, Module) else list(result)) != before:
                raise RuntimeError("Composable distributed API implementations cannot modify FQNs.")
            return result

        apply.state = lambda module: _get_registry(module).get(function.__name__)
        return apply

    return decorate
