"""Trading time for memory: a function's intermediate results are computed again in the backward pass."""

import contextlib

from .. import _C
from .._creation import get_rng_state, set_rng_state
from .._grad_mode import enable_grad, no_grad
from ..amp import autocast
from ..autograd.function import Function
from ..random import fork_rng

__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]


class CheckpointError(RuntimeError):
    """What PyTorch raises where the second run differs from the first."""


def noop_context_fn():
    """Two contexts that do nothing: those of the first and of the second run."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def set_checkpoint_debug_enabled(enabled):
    """A context, accepted for PyTorch's sake."""
    return contextlib.nullcontext()


def set_checkpoint_early_stop(enable):
    """A context, accepted for PyTorch's sake: the second run always goes to its end."""
    return contextlib.nullcontext()


def get_device_states(*args):
    """The GPUs on which the tensors among args lie, and the states of their generators: two lists."""
    from .. import cuda

    on_gpus = [arg for arg in args if isinstance(arg, _C.Tensor) and arg.device.type == "cuda"]
    indices = sorted({arg.get_device() for arg in on_gpus})
    return indices, [cuda.get_rng_state(index) for index in indices]


def set_device_states(devices, states, *, device_type=None):
    """Restores what get_device_states gave."""
    from .. import cuda

    for device, state in zip(devices, states):
        cuda.set_rng_state(state, device)


class CheckpointFunction(Function):
    """Runs the function without a graph; `anchor` requires grad so that parameters used inside are
    reached."""

    @staticmethod
    def forward(ctx, run, preserve_rng_state, anchor, *args):
        ctx.run, ctx.args = run, args
        tensors = [arg for arg in args if isinstance(arg, _C.Tensor)]
        ctx.save_for_backward(*tensors)
        ctx.rng = (get_rng_state(), *get_device_states(*args)) if preserve_rng_state else None
        ctx.autocast = [
            (kind, _C.get_autocast_dtype(kind), _C.is_autocast_enabled(kind)) for kind in ("cpu", "cuda")
        ]
        with no_grad():
            return run(*args)

    @staticmethod
    def backward(ctx, *grads):
        saved = iter(ctx.saved_tensors)
        args = []
        for arg in ctx.args:
            if isinstance(arg, _C.Tensor):
                arg = next(saved).detach().requires_grad_(arg.requires_grad)
            args.append(arg)
        outputs = _recompute(ctx, args)
        pairs = [
            (output, grad)
            for output, grad in zip(outputs, grads)
            if output.requires_grad and grad is not None
        ]
        if pairs:
            _C._backward([output for output, _ in pairs], [grad for _, grad in pairs], False, False, None)
        return (None, None, None, *(arg.grad if isinstance(arg, _C.Tensor) else None for arg in args))


def _recompute(ctx, args):
    """The outputs of the function, run with the random numbers and under the autocast of the first run."""
    state, devices, states = ctx.rng or (None, [], [])
    with contextlib.ExitStack() as stack:
        stack.enter_context(fork_rng(devices, enabled=ctx.rng is not None))
        if ctx.rng is not None:
            set_rng_state(state)
            set_device_states(devices, states)
        for kind, dtype, enabled in ctx.autocast:
            stack.enter_context(autocast(kind, dtype, enabled))
        stack.enter_context(enable_grad())
        outputs = ctx.run(*args)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return [output for output in outputs if isinstance(output, _C.Tensor)]


def checkpoint(
    function,
    *args,
    use_reentrant=None,
    context_fn=noop_context_fn,
    determinism_check="default",
    debug=False,
    early_stop=True,
    preserve_rng_state=True,
    **kwargs,
):
    """function(*args, **kwargs), keeping only args for backward, which runs function again.

    use_reentrant, determinism_check, debug and early_stop are accepted for PyTorch's sake: parameters used
    inside always get their gradients. context_fn gives the contexts in which function runs first and again.
    preserve_rng_state makes the second run draw the same random numbers as the first. Tensors inside lists,
    dictionaries or kwargs get no gradient from backward unless they are leaves. Raises what function raises.
    """

    contexts = iter(context_fn()) if context_fn is not noop_context_fn else None

    def run(*values):
        with next(contexts) if contexts else contextlib.nullcontext():
            return function(*values, **kwargs)

    if not _C.is_grad_enabled():
        return function(*args, **kwargs)
    anchor = _C._homes["taper"]["empty"]([0]).requires_grad_()
    return CheckpointFunction.apply(run, preserve_rng_state, anchor, *args)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """The modules one after another, in `segments` parts of which each is checkpointed."""
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = max(1, len(functions) // segments)

    def chain(start, end):
        def run(value):
            for function in functions[start:end]:
                value = function(value)
            return value

        return run

    starts = [i * size for i in range(min(segments, len(functions)))]
    for start, end in zip(starts, starts[1:] + [len(functions)]):
        input = checkpoint(chain(start, end), input, use_reentrant=use_reentrant, **kwargs)
    return input
