"""Muon: momentum made orthogonal by Newton-Schulz iterations."""

import math

from .. import _C
from .optimizer import Optimizer, check_options

_ops = _C._homes["taper"]
_ADJUSTMENTS = {
    "original": lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
    "spectral_unclamped": lambda rows, columns: math.sqrt(rows / columns),
}


def _orthogonalized(matrix, coefficients, steps, eps):
    """About U V^T of matrix = U S V^T, in bfloat16, by a quintic iteration."""
    a, b, c = coefficients
    if hasattr(matrix, "full_tensor"):
        from ..distributed.tensor import Replicate

        # Sums of parts would be rounded otherwise than those of the whole.
        matrix = matrix.redistribute(placements=[Replicate()] * matrix.device_mesh.ndim)
    wide = matrix.size(0) <= matrix.size(1)
    x = (matrix if wide else matrix.T).to(_C.bfloat16, copy=True)
    x.div_(x.norm().clamp(min=eps))
    for _ in range(steps):
        gram = x @ x.T
        x = _ops["addmm"](x, _ops["addmm"](gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


class Muon(Optimizer):
    """Momentum steps with all singular values near one, for matrices: Jordan 2024,
    kellerjordan.github.io/posts/muon."""

    _by_element = False

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0.1,
        momentum=0.95,
        nesterov=True,
        ns_coefficients=(3.4445, -4.775, 2.0315),
        eps=1e-7,
        ns_steps=5,
        adjust_lr_fn=None,
    ):
        check_options(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn is not None and adjust_lr_fn not in _ADJUSTMENTS:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        if ns_steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            ),
        )
        for parameter in (p for group in self.param_groups for p in group["params"]):
            if parameter.is_complex():
                raise RuntimeError("Muon does not support complex parameters")
            if parameter.ndim != 2:
                raise ValueError(
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{parameter.size()}"
                )

    def _update(self, group, params, grads):
        lr, momentum = self._rate(group), group["momentum"]
        for parameter, grad in zip(params, grads):
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = _ops["zeros_like"](grad)
            buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
            update = _orthogonalized(
                grad.lerp(buffer, momentum) if group["nesterov"] else buffer,
                group["ns_coefficients"],
                group["ns_steps"],
                group["eps"],
            )
            factor = _ADJUSTMENTS[group["adjust_lr_fn"] or "original"](*parameter.shape)
            parameter.mul_(1 - lr * group["weight_decay"])
            parameter.add_(update.to(parameter.dtype), alpha=-lr * factor)
