"""Hooks of modules: handles, the hooks that every module calls, and what watches gradients pass by."""

import itertools
from collections import OrderedDict

from .._C import Tensor


class RemovableHandle:
    """Takes a hook away again: handle.remove(), or as a context manager."""

    _numbers = itertools.count()

    def __init__(self, hooks, extra=()):
        self._hooks = (hooks, *extra)
        self.id = next(RemovableHandle._numbers)

    def remove(self):
        """Takes the hook away."""
        for hooks in self._hooks:
            hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


# Hooks that every module calls, by number.
forward_of_all, forward_pre_of_all = OrderedDict(), OrderedDict()
backward_of_all, backward_pre_of_all = OrderedDict(), OrderedDict()
marks_of_all = {"with_kwargs": {}, "always_called": {}}


def _added(hooks, hook, *marks):
    handle = RemovableHandle(hooks, marks)
    hooks[handle.id] = hook
    for marked in marks:
        marked[handle.id] = True
    return handle


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Calls hook(module, args, output) after the forward of every module."""
    wanted = {"with_kwargs": with_kwargs, "always_called": always_call}
    return _added(forward_of_all, hook, *(marks_of_all[name] for name in wanted if wanted[name]))


def register_module_forward_pre_hook(hook):
    """Calls hook(module, args) before the forward of every module."""
    return _added(forward_pre_of_all, hook)


def register_module_full_backward_hook(hook):
    """Calls hook(module, grad_input, grad_output) in the backward of every module."""
    return _added(backward_of_all, hook)


register_module_backward_hook = register_module_full_backward_hook


def register_module_full_backward_pre_hook(hook):
    """Calls hook(module, grad_output) before the backward of every module."""
    return _added(backward_pre_of_all, hook)


def _call_backward_hooks(module, grad_inputs, grad_outputs):
    for hook in [*backward_of_all.values(), *module._backward_hooks.values()]:
        replaced = hook(module, grad_inputs, grad_outputs)
        if replaced is not None:
            grad_inputs = replaced if isinstance(replaced, tuple) else (replaced,)
    return grad_inputs


def _identity(backward):
    """An operation that passes tensors on, and their gradients through a function."""
    from ..autograd import Function

    class Identity(Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.set_materialize_grads(False)
            return tuple(t.view_as(t) for t in tensors)

    Identity.backward = staticmethod(lambda ctx, *grads: backward(grads))
    return Identity.apply


def watch_inputs(module, args):
    """args behind an identity whose backward calls the module's backward hooks."""
    state = {"grad_output": None, "arguments": len(args), "inputs_watched": False}
    places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    if not any(args[i].requires_grad for i in places):
        return args, state
    state["inputs_watched"] = True

    def backward(grads):
        shown = [None] * len(args)
        for i, gradient in zip(places, grads):
            shown[i] = gradient
        shown = _call_backward_hooks(module, tuple(shown), state["grad_output"])
        return tuple(shown[i] for i in places)

    args = list(args)
    for i, output in zip(places, _identity(backward)(*(args[i] for i in places))):
        args[i] = output
    return tuple(args), state


def watch_outputs(module, result, state):
    def backward(grads):
        for hook in [*backward_pre_of_all.values(), *module._backward_pre_hooks.values()]:
            replaced = hook(module, grads)
            if replaced is not None:
                grads = replaced if isinstance(replaced, tuple) else (replaced,)
        state["grad_output"] = grads
        if not state["inputs_watched"]:
            _call_backward_hooks(module, (None,) * state["arguments"], grads)
        return grads

    if isinstance(result, Tensor):
        return _identity(backward)(result)[0] if result.requires_grad else result
    if isinstance(result, (tuple, list)) and all(isinstance(r, Tensor) for r in result):
        watched = _identity(backward)(*result)
        return type(result)(watched) if type(result) in (tuple, list) else type(result)(*watched)
    return result
