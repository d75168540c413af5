"""Adafactor: second moments kept as one row and one column."""

import math

from .. import _C
from .._info import finfo
from .optimizer import Optimizer

_ops = _C._homes["taper"]


class Adafactor(Optimizer):
    """Steps relative to the parameters' size, with factored second moments: Shazeer & Stern 2018,
    arXiv:1804.04235."""

    _by_element = False

    def __init__(
        self,
        params,
        lr=1e-2,
        beta2_decay=-0.8,
        eps=(None, 1e-3),
        d=1.0,
        weight_decay=0.0,
        *,
        foreach=None,
        maximize=False,
    ):
        for ok, text in [
            (lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}"),
            (beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            (eps[0] is None or eps[0] >= 0.0, f"epsilon1 should be >= 0 but is: {eps[0]}"),
            (eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}"),
            (weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}"),
        ]:
            if not ok:
                raise ValueError(text)
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
            ),
        )

    def _start(self, state, parameter, group):
        if parameter.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if parameter.dim() > 1:
            state["row_var"] = parameter.new_zeros(tuple(parameter.shape[:-1]) + (1,))
            state["col_var"] = parameter.new_zeros(tuple(parameter.shape[:-2]) + (1, parameter.shape[-1]))
        else:
            state["variance"] = _ops["zeros_like"](parameter)

    @staticmethod
    def _variance(grad, state, part, eps):
        squares = grad * grad
        if grad.dim() <= 1:
            return state["variance"].lerp_(squares, part).clone()
        row, column = state["row_var"], state["col_var"]
        row.lerp_(squares.mean(-1, keepdim=True), part)
        column.lerp_(squares.mean(-2, keepdim=True), part)
        return (row @ column).div_(row.mean(-2, keepdim=True).clamp_(min=eps))

    def _update_one(self, group, lr, parameter, grad, state):
        step = state["step"].item()
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = finfo(parameter.dtype).eps
        root = math.sqrt(parameter.numel())
        rate = max(eps2, parameter.norm(2).item() / root) * min(lr, 1 / math.sqrt(step))
        if group["weight_decay"] != 0:
            parameter.mul_(1 - lr * group["weight_decay"])
        variance = self._variance(grad, state, step ** group["beta2_decay"], eps1)
        update = variance.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        parameter.add_(update, alpha=-rate / max(1.0, update.norm(2).item() / (root * group["d"])))
