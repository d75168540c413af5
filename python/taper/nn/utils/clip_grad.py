"""Bounds for gradients."""

import math

from ... import _C
from ..._grad_mode import no_grad
from ..parameter import are_divided

_ops = _C._homes["taper"]
_grad_of = _C.Tensor.grad.__get__  # of a DTensor this rank's part


def _list(parameters):
    return [parameters] if isinstance(parameters, _C.Tensor) else list(parameters)


@no_grad()
def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors as one vector."""
    tensors = _list(tensors)
    if not tensors:
        return _C._from_data(0.0, None, True)
    norms = _ops["stack"]([t.detach().norm(norm_type) for t in tensors])
    return _finite(norms.norm(norm_type), tensors, norm_type, error_if_nonfinite)


def _finite(total, tensors, norm_type, error_if_nonfinite):
    if error_if_nonfinite and not math.isfinite(float(total)):
        culprits = [f"{i} of shape {tuple(t.shape)}" for i, t in enumerate(tensors) if not t.isfinite().all()]
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients is non-finite, so it cannot be clipped: "
            f"gradient {', '.join(culprits[:3]) or 'norms overflow'}. To disable this error, set "
            "error_if_nonfinite=False"
        )
    return total


@no_grad()
def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scales gradients so that their norm as one vector is at most max_norm; returns the norm before. Of
    parameters that are divided among processes all parts count; all processes call it."""
    parameters = _list(parameters)
    gradients = [_grad_of(p) for p in parameters if _grad_of(p) is not None]
    if are_divided(parameters):
        from ...distributed.tensor.parameter import norm_of_gradients

        total = norm_of_gradients(parameters, float(norm_type))
        total = _finite(total, gradients, norm_type, error_if_nonfinite)
    else:
        total = get_total_norm(gradients, float(norm_type), error_if_nonfinite)
    if not gradients:
        return total
    _scale(gradients, max_norm, total)
    return total


def _scale(gradients, max_norm, total):
    factor = min(float(max_norm) / (float(total) + 1e-6), 1.0)
    if factor != 1.0:
        for gradient in gradients:
            gradient.mul_(factor)


@no_grad()
def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scales gradients as clip_grad_norm_ does, for a norm that is already known."""
    _scale([p.grad for p in _list(parameters) if p.grad is not None], max_norm, total_norm)


@no_grad()
def clip_grad_value_(parameters, clip_value, foreach=None):
    """Bounds every gradient by +-clip_value."""
    for parameter in _list(parameters):
        if parameter.grad is not None:
            parameter.grad.clamp_(-float(clip_value), float(clip_value))


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """clip_grad_norm_ by its former name."""
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)
