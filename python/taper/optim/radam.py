"""RAdam: Adam with a rectified variance."""

import math

from .. import _C
from .optimizer import Optimizer, as_real, check_options, decayed

_zeros_like = _C._homes["taper"]["zeros_like"]


class RAdam(Optimizer):
    """Adam that starts as plain momentum while the variance is uncertain: Liu et al. 2020,
    arXiv:1908.03265."""

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        decoupled_weight_decay=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
    ):
        check_options(lr=lr, eps=eps, beta=tuple(betas), weight_decay=weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                decoupled_weight_decay=decoupled_weight_decay,
                differentiable=differentiable,
            ),
        )

    def _start(self, state, parameter, group):
        state["exp_avg"] = _zeros_like(parameter)
        state["exp_avg_sq"] = _zeros_like(parameter)

    def _update_one(self, group, lr, parameter, grad, state):
        beta1, beta2 = group["betas"]
        step, decay = int(state["step"].item()), group["weight_decay"]
        if group["decoupled_weight_decay"]:
            if decay != 0:
                parameter.mul_(1 - lr * decay)
        else:
            grad = decayed(grad, parameter, decay)
        parameter, grad, mean, square = as_real(parameter, grad, state["exp_avg"], state["exp_avg_sq"])
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction = 1 - beta2**step
        # The length of the moving average, and the rectification of its variance: the paper's algorithm 2.
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        update = mean * (lr / (1 - beta1**step))
        if length > 5.0:
            rectification = math.sqrt(
                (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            )
            update = update * (math.sqrt(correction) * rectification) / (square.sqrt() + group["eps"])
        parameter.sub_(update)
