"""Adadelta: steps in the units of the parameters."""

from .. import _C
from .optimizer import Optimizer, as_real, check_options, decayed

_zeros_like = _C._homes["taper"]["zeros_like"]


class Adadelta(Optimizer):
    """Steps scaled by the ratio of past steps to past gradients: Zeiler 2012, arXiv:1212.5701."""

    def __init__(
        self,
        params,
        lr=1.0,
        rho=0.9,
        eps=1e-6,
        weight_decay=0,
        foreach=None,
        *,
        capturable=False,
        maximize=False,
        differentiable=False,
    ):
        check_options(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        if rho > 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                capturable=capturable,
                foreach=foreach,
                differentiable=differentiable,
            ),
        )

    def _start(self, state, parameter, group):
        state["square_avg"] = _zeros_like(parameter)
        state["acc_delta"] = _zeros_like(parameter)

    def _update_one(self, group, lr, parameter, grad, state):
        rho, eps = group["rho"], group["eps"]
        grad = decayed(grad, parameter, group["weight_decay"])
        parameter, grad, square, deltas = as_real(parameter, grad, state["square_avg"], state["acc_delta"])
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = deltas.add(eps).sqrt_() / square.add(eps).sqrt_() * grad
        deltas.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        parameter.add_(delta, alpha=-lr)
