"""RMSprop."""

from .. import _C
from .optimizer import Optimizer, check_options, decayed, next_steps, zero_step

_ops = _C._homes["taper"]
_zeros_like = _ops["zeros_like"]


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients: Hinton 2012."""

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        check_options(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                capturable=capturable,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
            ),
        )

    def _update(self, group, params, grads):
        names = ["square_avg", "momentum_buffer", "grad_avg"]
        used = [True, group["momentum"] > 0, group["centered"]]
        lists = [[], [], []]
        for parameter in params:
            state = self.state[parameter]
            if not state:
                state["step"] = zero_step()
            for name, wanted, entries in zip(names, used, lists):
                if wanted and name not in state:
                    state[name] = _zeros_like(parameter)
                entries.append(state[name] if wanted else None)
        steps = next_steps([self.state[p] for p in params])
        _C._rmsprop_step(
            params,
            grads,
            lists,
            steps,
            self._rate(group),
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
        )

    def _start(self, state, parameter, group):
        state["square_avg"] = _zeros_like(parameter)
        if group["momentum"] > 0:
            state["momentum_buffer"] = _zeros_like(parameter)
        if group["centered"]:
            state["grad_avg"] = _zeros_like(parameter)

    def _update_one(self, group, lr, parameter, grad, state):
        grad, alpha = decayed(grad, parameter, group["weight_decay"]), group["alpha"]
        state["square_avg"] = variance = state["square_avg"] * alpha + grad * grad * (1 - alpha)
        if group["centered"]:
            state["grad_avg"] = mean = state["grad_avg"].lerp(grad, 1 - alpha)
            variance = variance - mean * mean
        update = grad / (variance.sqrt() + group["eps"])
        if group["momentum"] > 0:
            state["momentum_buffer"] = update = state["momentum_buffer"] * group["momentum"] + update
        parameter.add_(update, alpha=-lr)
