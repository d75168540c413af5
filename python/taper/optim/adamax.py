"""Adamax: Adam with the infinity norm."""

from .. import _C
from .optimizer import Optimizer, as_real, check_options, decayed

_ops = _C._homes["taper"]


class Adamax(Optimizer):
    """Steps divided by a decaying maximum of gradients: Kingma & Ba 2015, arXiv:1412.6980, algorithm 2."""

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        capturable=False,
    ):
        check_options(lr=lr, eps=eps, beta=tuple(betas), weight_decay=weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _start(self, state, parameter, group):
        state["exp_avg"] = _ops["zeros_like"](parameter)
        state["exp_inf"] = _ops["zeros_like"](parameter)

    def _update_one(self, group, lr, parameter, grad, state):
        beta1, beta2 = group["betas"]
        grad = decayed(grad, parameter, group["weight_decay"])
        parameter, grad, mean, largest = as_real(parameter, grad, state["exp_avg"], state["exp_inf"])
        mean.lerp_(grad, 1 - beta1)
        largest.copy_(_ops["maximum"](largest * beta2, grad.abs() + group["eps"]))
        if group["differentiable"]:
            mean, largest = mean.clone(), largest.clone()
        parameter.addcdiv_(mean, largest, value=-lr / (1 - beta1 ** int(state["step"].item())))
