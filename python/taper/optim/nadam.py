"""NAdam: Adam with Nesterov momentum."""

from .. import _C
from .optimizer import Optimizer, as_real, check_options, decayed

_ops = _C._homes["taper"]


class NAdam(Optimizer):
    """Adam whose momentum looks one step ahead: Dozat 2016, Incorporating Nesterov Momentum into Adam."""

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        momentum_decay=4e-3,
        decoupled_weight_decay=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
    ):
        check_options(
            lr=lr, eps=eps, beta=tuple(betas), weight_decay=weight_decay, momentum_decay=momentum_decay
        )
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                momentum_decay=momentum_decay,
                decoupled_weight_decay=decoupled_weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
            ),
        )

    def _start(self, state, parameter, group):
        state["mu_product"] = _ops["ones"]((), dtype=_C.float32)
        state["exp_avg"] = _ops["zeros_like"](parameter)
        state["exp_avg_sq"] = _ops["zeros_like"](parameter)

    def _update_one(self, group, lr, parameter, grad, state):
        beta1, beta2 = group["betas"]
        step, decay = int(state["step"].item()), group["weight_decay"]
        if group["decoupled_weight_decay"]:
            if decay != 0:
                parameter.mul_(1 - lr * decay)
        else:
            grad = decayed(grad, parameter, decay)
        parameter, grad, mean, square = as_real(parameter, grad, state["exp_avg"], state["exp_avg_sq"])
        # 0.96 and one half are the constants of the paper's momentum schedule.
        mu, mu_next = (beta1 * (1.0 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        state["mu_product"] *= mu
        product = state["mu_product"].item()
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        scale = square.div(1 - beta2**step).sqrt_() + group["eps"]
        parameter.addcdiv_(grad, scale, value=-lr * (1.0 - mu) / (1.0 - product))
        mean = mean.clone() if group["differentiable"] else mean
        parameter.addcdiv_(mean, scale, value=-lr * mu_next / (1.0 - product * mu_next))
