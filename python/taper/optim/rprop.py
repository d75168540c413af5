"""Rprop: resilient backpropagation."""

from .. import _C
from .optimizer import Optimizer, as_real, check_options

_ops = _C._homes["taper"]


class Rprop(Optimizer):
    """Steps by the sign of the gradient, larger while it stays the same: Riedmiller & Braun 1993."""

    def __init__(
        self,
        params,
        lr=1e-2,
        etas=(0.5, 1.2),
        step_sizes=(1e-6, 50),
        *,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        check_options(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _start(self, state, parameter, group):
        lr = float(group["lr"])
        state["prev"] = _ops["zeros_like"](parameter)
        state["step_size"] = _ops["full_like"](parameter, complex(lr, lr) if parameter.is_complex() else lr)

    def _update_one(self, group, lr, parameter, grad, state):
        shrink, grow = group["etas"]
        parameter, grad, before, size = as_real(parameter, grad, state["prev"], state["step_size"])
        agreement = grad.mul(before)
        factor = _ops["ones_like"](size).masked_fill_(agreement > 0, grow).masked_fill_(agreement < 0, shrink)
        size.mul_(factor).clamp_(*group["step_sizes"])
        # Where the sign changed this step does not move, and the next one has no sign to compare with.
        before.copy_(grad.masked_fill(agreement < 0, 0))
        parameter.addcmul_(before.sign(), size, value=-1)
