"""Stochastic gradient descent."""

from .. import _C
from .optimizer import Optimizer, check_options, decayed

_zeros_like = _C._homes["taper"]["zeros_like"]


class SGD(Optimizer):
    """p -= lr * buffer, where the buffer gathers gradients by momentum: Sutskever et al. 2013."""

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        check_options(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
                foreach=foreach,
                differentiable=differentiable,
                fused=fused,
            ),
        )

    def _update(self, group, params, grads):
        states, steps = [], [2] * len(params)
        if group["momentum"] != 0:
            buffers = []
            for index, parameter in enumerate(params):
                state = self.state[parameter]
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = _zeros_like(parameter)
                    steps[index] = 1
                buffers.append(state["momentum_buffer"])
            states = [buffers]
        _C._sgd_step(
            params,
            grads,
            states,
            steps,
            self._rate(group),
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
        )

    def _start(self, state, parameter, group):
        del state["step"]

    def _update_one(self, group, lr, parameter, grad, state):
        grad, momentum = decayed(grad, parameter, group["weight_decay"]), group["momentum"]
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            buffer = grad.clone() if buffer is None else buffer * momentum + grad * (1 - group["dampening"])
            state["momentum_buffer"] = buffer
            grad = grad + momentum * buffer if group["nesterov"] else buffer
        parameter.add_(grad, alpha=-lr)
