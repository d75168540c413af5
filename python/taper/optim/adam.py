"""Adam."""

from .. import _C
from .optimizer import Optimizer, check_options, next_steps, zero_step

_ops = _C._homes["taper"]
_zeros_like = _ops["zeros_like"]


class Adam(Optimizer):
    """Steps scaled by running means of gradients and their squares: Kingma & Ba 2015, arXiv:1412.6980."""

    _decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False):
        check_options(lr=lr, eps=eps, beta=tuple(betas), weight_decay=weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                                      maximize=maximize, foreach=foreach, capturable=capturable,
                                      differentiable=differentiable, fused=fused,
                                      decoupled_weight_decay=decoupled_weight_decay or self._decoupled))

    def _new_state(self, parameter, amsgrad):
        state = {"step": zero_step(), "exp_avg": _zeros_like(parameter), "exp_avg_sq": _zeros_like(parameter)}
        if amsgrad:
            state["max_exp_avg_sq"] = _zeros_like(parameter)
        self.state[parameter] = state
        return state

    def _update(self, group, params, grads):
        averages, squares, largest, used = [], [], [], []
        amsgrad = group["amsgrad"]
        for parameter in params:
            state = self.state[parameter] or self._new_state(parameter, amsgrad)
            used.append(state)
            averages.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            if amsgrad:
                largest.append(state["max_exp_avg_sq"])
        beta1, beta2 = group["betas"]
        states = [averages, squares, largest] if amsgrad else [averages, squares]
        _C._adam_step(params, grads, states, next_steps(used), self._rate(group), float(beta1), float(beta2),
                      group["eps"], group["weight_decay"], amsgrad, group["maximize"],
                      group["decoupled_weight_decay"])
