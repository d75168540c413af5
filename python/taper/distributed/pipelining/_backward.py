"""Backward through one stage, at once or in two parts: Qi et al. 2023, arXiv:2401.10241, section 2."""

import taper
from taper import _C
from taper.autograd import backward


def _starts(outputs, gradients):
    """The outputs that need a gradient, and their gradients: ones unless given."""
    outputs = [outputs] if isinstance(outputs, _C.Tensor) else list(outputs)
    gradients = [None] * len(outputs) if gradients is None else gradients
    pairs = [(t, g) for t, g in zip(outputs, gradients, strict=True) if t.requires_grad]
    return [t for t, _ in pairs], [taper.ones_like(t.detach()) if g is None else g for t, g in pairs]


def stage_backward(stage_output, output_grads, input_values):
    """Adds to .grad of the weights. Gives the gradients of the inputs, None where there is none, whose
    .grad is emptied. stage_output: tensors, or the loss; output_grads: theirs, or None for ones."""
    backward(*_starts(stage_output, output_grads))
    gradients = tuple(x.grad if isinstance(x, _C.Tensor) else None for x in input_values)
    for x, gradient in zip(input_values, gradients):
        if gradient is not None:
            x.grad = None
    return gradients


def stage_backward_input(stage_outputs_or_loss, output_grads, input_values, weights=None):
    """The first part: the gradients of the inputs, which must be leaves, and what stage_backward_weight
    goes on with. They are added to .grad as well. weights is accepted for PyTorch's sake: all other leaves
    wait."""
    outputs, gradients = _starts(stage_outputs_or_loss, output_grads)
    wanted = [x for x in input_values if isinstance(x, _C.Tensor) and x.requires_grad]
    rest = _C._DividedBackward()
    found = dict(zip(map(id, wanted), rest.of_inputs(outputs, wanted, gradients)))
    for x in wanted:
        if (gradient := found[id(x)]) is not None:
            x.grad = gradient if x.grad is None else x.grad + gradient
    return tuple(found.get(id(x)) for x in input_values), [rest]


def stage_backward_weight(weights, param_groups):
    """The second part: adds to .grad of the weights, and gives them."""
    for rest in param_groups:
        rest.of_rest()
    return tuple(weight.grad for weight in weights)
