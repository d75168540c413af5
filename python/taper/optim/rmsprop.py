"""RMSprop."""

from .. import _C
from .optimizer import Optimizer, check_options, next_steps, zero_step

_ops = _C._homes["taper"]
_zeros_like = _ops["zeros_like"]


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients: Hinton 2012."""

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
                 capturable=False, foreach=None, maximize=False, differentiable=False):
        check_options(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable))

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
        _C._rmsprop_step(params, grads, lists, steps, self._rate(group), group["alpha"], group["eps"], group["weight_decay"],
                         group["momentum"], group["centered"], group["maximize"])
