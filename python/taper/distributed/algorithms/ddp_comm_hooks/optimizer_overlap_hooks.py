"""Hooks that let optimizers take their steps within backward passes."""

from taper import _C


class _StepEach:
    """An optimizer of its own for each parameter."""

    def __init__(self, optimizer_class, *arguments, **options):
        self._make = lambda parameter: optimizer_class([parameter], *arguments, **options)
        self._optimizers = {}

    def step_param(self, parameter, gradient):
        """One step, by this gradient."""
        if parameter not in self._optimizers:
            self._optimizers[parameter] = self._make(parameter)
        before, parameter.grad = parameter.grad, gradient
        self._optimizers[parameter].step()
        parameter.grad = before


class _OptimizerHookState:
    """An optimizer with step_param(parameter, gradient), and the parameters that it is for (all, unless
    given)."""

    def __init__(self, functional_optim, params=None):
        if not hasattr(functional_optim, "step_param"):
            raise ValueError(f"Class {type(functional_optim)} must implement method step_param.")
        self.functional_optimizer = functional_optim
        self.params_to_optimize = None if params is None else set(params)


def _hook_then_optimizer(hook, optimizer_state):
    """The hook, and then a step for each parameter of the bucket."""

    def reduce_then_step(state, bucket):
        def step(future):
            future.wait()
            for parameter, gradient in zip(bucket.parameters(), bucket.gradients()):
                chosen = optimizer_state.params_to_optimize
                if chosen is None or parameter in chosen:
                    optimizer_state.functional_optimizer.step_param(parameter, gradient)
            return bucket.buffer()

        return hook(state, bucket).then(step)

    return reduce_then_step


def _apply_optim_in_backward_hook(hook):
    """The hook, and then the steps of the optimizers that _apply_optimizer_in_backward gave to parameters of
    the bucket. At the end of backward they have no gradients."""

    def reduce_then_step(state, bucket):
        def step(future):
            future.wait()
            for parameter, gradient in zip(bucket.parameters(), bucket.gradients()):
                optimizers = getattr(parameter, "_in_backward_optimizers", ())
                if not optimizers:
                    continue
                before, parameter.grad = parameter.grad, gradient
                for optimizer in optimizers:
                    optimizer.step()
                parameter.grad = before
            return bucket.buffer()

        if bucket.is_last():
            _C._queue_callback(drop_gradients)
        seen.extend(bucket.parameters())
        return hook(state, bucket).then(step)

    def drop_gradients():
        for parameter in seen:
            if hasattr(parameter, "_in_backward_optimizers"):
                parameter.grad = None
        seen.clear()

    seen = []
    return reduce_then_step
