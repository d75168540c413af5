"""Optimizers that take the step of each parameter as soon as its gradient is there."""


def _apply_optimizer_in_backward(optimizer_class, params, optimizer_kwargs, register_hook=True):
    """Gives each parameter an optimizer of its own. Once backward has accumulated the parameter's gradient,
    which DistributedDataParallel averages first, it takes a step and sets the gradient to None. Without
    register_hook the program calls the steps of parameter._in_backward_optimizers itself."""
    for parameter in params:
        optimizer = optimizer_class([parameter], **optimizer_kwargs)
        if not hasattr(parameter, "_in_backward_optimizers"):
            parameter._in_backward_optimizers, parameter._in_backward_hooks = [], []
        parameter._in_backward_optimizers.append(optimizer)
        if register_hook and not parameter._in_backward_hooks:
            hook = parameter.register_post_accumulate_grad_hook(_step)
            parameter._in_backward_hooks.append(hook)


def _step(parameter):
    for optimizer in parameter._in_backward_optimizers:
        optimizer.step()
    parameter.grad = None


def _get_in_backward_optimizers(module):
    """The optimizers of all parameters of the module."""
    return [opt for p in module.parameters() for opt in getattr(p, "_in_backward_optimizers", ())]
