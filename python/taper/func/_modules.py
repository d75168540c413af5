"""The parameters of several equal modules as one, for vmap over an ensemble."""

from .. import _C


def stack_module_state(models):
    """(parameters, buffers) of equal modules: dicts of tensors with a new first dimension over the models."""
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: expected at least one model, got 0")
    if any(type(model) is not type(models[0]) for model in models):
        raise RuntimeError("stack_module_state: expected all models to be of the same class")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: expected all models to have the same training/eval mode")
    return (
        _stacked([dict(model.named_parameters()) for model in models]),
        _stacked([dict(model.named_buffers()) for model in models]),
    )


def _stacked(states):
    stack = _C._homes["taper"]["stack"]
    result = {}
    for name, first in states[0].items():
        tensor = stack([state[name] for state in states]).detach()
        result[name] = tensor.requires_grad_(first.requires_grad) if tensor.is_floating_point() else tensor
    return result


def replace_all_batch_norm_modules_(root):
    """Lets every batch norm in root (which is returned) use the statistics of its batch and keep none."""
    from ..nn.normalization import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
