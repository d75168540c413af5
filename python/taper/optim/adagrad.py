"""Adagrad."""

from .. import _C
from .optimizer import Optimizer, check_options, decayed, next_steps, zero_step

_ops = _C._homes["taper"]


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of squared gradients: Duchi, Hazan & Singer 2011."""

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        fused=None,
    ):
        check_options(
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            eps=eps,
            initial_accumulator_value=initial_accumulator_value,
        )
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                fused=fused,
            ),
        )
        for group in self.param_groups:
            for parameter in group["params"]:
                start = float(initial_accumulator_value)
                total = _ops["full_like"](
                    parameter.detach(), complex(start, start) if parameter.is_complex() else start
                )
                self.state[parameter] = {"step": zero_step(), "sum": total}

    def _update(self, group, params, grads):
        _C._adagrad_step(
            params,
            grads,
            [[self.state[p]["sum"] for p in params]],
            next_steps([self.state[p] for p in params]),
            self._rate(group),
            group["lr_decay"],
            group["weight_decay"],
            group["eps"],
            group["maximize"],
        )

    def _update_one(self, group, lr, parameter, grad, state):
        grad = decayed(grad, parameter, group["weight_decay"])
        rate = lr / (1 + (state["step"].item() - 1) * group["lr_decay"])
        state["sum"] = state["sum"] + grad * grad
        parameter.addcdiv_(grad, state["sum"].sqrt() + group["eps"], value=-rate)
