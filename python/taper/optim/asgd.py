"""ASGD: averaged stochastic gradient descent."""

from .. import _C
from .optimizer import Optimizer, as_real, check_options, decayed

_ops = _C._homes["taper"]


class ASGD(Optimizer):
    """Gradient descent that keeps, as state "ax", the mean of the parameters: Polyak & Juditsky 1992."""

    def __init__(
        self,
        params,
        lr=1e-2,
        lambd=1e-4,
        alpha=0.75,
        t0=1e6,
        weight_decay=0,
        foreach=None,
        maximize=False,
        differentiable=False,
        capturable=False,
    ):
        check_options(lr=lr, lambd=lambd, alpha=alpha, weight_decay=weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                lambd=lambd,
                alpha=alpha,
                t0=t0,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _start(self, state, parameter, group):
        state["eta"] = _ops["full"]((), float(group["lr"]), dtype=_C.float32)
        state["mu"] = _ops["ones"]((), dtype=_C.float32)
        state["ax"] = _ops["zeros_like"](parameter)

    def _update_one(self, group, lr, parameter, grad, state):
        grad = decayed(grad, parameter, group["weight_decay"])
        parameter, grad, mean = as_real(parameter, grad, state["ax"])
        eta, mu, step = state["eta"].item(), state["mu"].item(), int(state["step"].item())
        parameter.mul_(1 - group["lambd"] * eta).add_(grad, alpha=-eta)
        if mu == 1:
            mean.copy_(parameter)
        else:
            mean.add_(parameter.sub(mean).mul_(mu))
        state["eta"].fill_(lr / (1 + group["lambd"] * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
