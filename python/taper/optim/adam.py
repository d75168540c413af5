"""Adam."""

from .. import _C
from .optimizer import Optimizer, check_options, decayed, next_steps, zero_step

_ops = _C._homes["taper"]
_zeros_like = _ops["zeros_like"]


def _check_tensors(lr, betas, one_by_one):
    """Raises where PyTorch does for options that are tensors; one_by_one: foreach without capturable."""
    beta1, beta2 = betas
    if isinstance(beta1, _C.Tensor) != isinstance(beta2, _C.Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for name, value in (("lr", lr), ("betas[0]", beta1), ("betas[1]", beta2)):
        if isinstance(value, _C.Tensor):
            if one_by_one:
                raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
            if value.numel() != 1:
                raise ValueError(f"Tensor {name} must be 1-element")


class Adam(Optimizer):
    """Steps scaled by running means of gradients and their squares: Kingma & Ba 2015, arXiv:1412.6980."""

    _decoupled = False

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        _check_tensors(lr, betas, foreach and not capturable)
        check_options(lr=lr, eps=eps, beta=tuple(betas), weight_decay=weight_decay)
        if fused and (foreach or differentiable):
            raise RuntimeError("`fused` can be combined neither with `foreach` nor with `differentiable`")
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
                fused=fused,
                decoupled_weight_decay=decoupled_weight_decay or self._decoupled,
            ),
        )

    def _start(self, state, parameter, group):
        for name in ("exp_avg", "exp_avg_sq") + ("max_exp_avg_sq",) * bool(group["amsgrad"]):
            state[name] = _zeros_like(parameter)

    def _update(self, group, params, grads):
        averages, squares, largest, used = [], [], [], []
        amsgrad = group["amsgrad"]
        for parameter in params:
            state = self.state[parameter]
            if not state:
                state["step"] = zero_step()
                self._start(state, parameter, group)
            used.append(state)
            averages.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            if amsgrad:
                largest.append(state["max_exp_avg_sq"])
        beta1, beta2 = group["betas"]
        states = [averages, squares, largest] if amsgrad else [averages, squares]
        _C._adam_step(
            params,
            grads,
            states,
            next_steps(used),
            self._rate(group),
            float(beta1),
            float(beta2),
            group["eps"],
            group["weight_decay"],
            amsgrad,
            group["maximize"],
            group["decoupled_weight_decay"],
        )

    def _update_one(self, group, lr, parameter, grad, state):
        beta1, beta2 = group["betas"]
        step, decay = int(state["step"].item()), group["weight_decay"]
        if group["decoupled_weight_decay"]:
            parameter.mul_(1 - lr * decay)
        else:
            grad = decayed(grad, parameter, decay)
        state["exp_avg"] = state["exp_avg"].lerp(grad, 1 - beta1)
        state["exp_avg_sq"] = square = state["exp_avg_sq"] * beta2 + grad * grad * (1 - beta2)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = square = _ops["maximum"](state["max_exp_avg_sq"], square)
        scale = (square / (1 - beta2**step)).sqrt() + group["eps"]
        parameter.addcdiv_(state["exp_avg"], scale, value=-lr / (1 - beta1**step))
