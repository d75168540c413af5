"""GradScaler: losses scaled up so that float16 gradients don't vanish."""

import math
import warnings
from collections import defaultdict
from enum import Enum

from .. import _C
from .._grad_mode import no_grad
from ..nn.parameter import are_divided

_ops = _C._homes["taper"]


class OptState(Enum):
    """What has been done with an optimizer since the last update."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh():
    return {"stage": OptState.READY, "found_inf": None}


class GradScaler:
    """Scales losses, unscales gradients, skips steps with infinite ones and adapts the scale.

    The scale grows by growth_factor after growth_interval steps without infinite gradients, and shrinks by
    backoff_factor after each step with one: Micikevicius et al. 2018, arXiv:1710.03740.
    """

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        self._device, self._enabled = device, enabled
        if device == "cuda" and enabled:
            from .. import cuda

            if not cuda.is_available():
                warnings.warn("GradScaler is enabled, but CUDA is not available. Disabling.", stacklevel=2)
                self._enabled = False
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale, self._scale = init_scale, None
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._states = defaultdict(_fresh)

    def _scale_tensor(self):
        if self._scale is None:
            self._scale = _ops["full"]((), float(self._init_scale), dtype=_C.float32)
        return self._scale

    def _check_scaled(self, name):
        if self._scale is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def scale(self, outputs):
        """outputs (a tensor, or nested lists and tuples of them) times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, _C.Tensor):
            return outputs * self._scale_tensor()
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(entry) for entry in outputs)
        try:
            return map(self.scale, iter(outputs))
        except TypeError:
            raise ValueError("outputs must be a Tensor or an iterable of Tensors") from None

    def unscale_(self, optimizer):
        """Divides the gradients of optimizer's parameters by the scale, once before its step: to clip them,
        say."""
        if not self._enabled:
            return
        self._check_scaled("unscale_")
        state = self._states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(parameter.grad.dtype == _C.float16 for parameter in parameters):
            raise ValueError("Attempting to unscale FP16 gradients.")
        factor, finite = 1.0 / self._scale.item(), defaultdict(list)
        with no_grad():
            for parameter in parameters:
                grad = getattr(parameter.grad, "_part", parameter.grad)  # of a DTensor this rank's part
                finite[grad.device].append(grad.isfinite().all())
                grad.mul_(factor)
            # One number to wait for from each device.
            together = [_ops["stack"](answers).all() for answers in finite.values()]
            if are_divided(parameters):
                from ..distributed.tensor.parameter import holds_for_all_parts

                together = [holds_for_all_parts(answer, parameters) for answer in together]
        if together:
            state["found_inf"] = not all(bool(answer) for answer in together)
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """optimizer.step(), after unscale_ where that was not called, and only if all gradients are
        finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_scaled("step")
        state = self._states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if state["found_inf"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if state["found_inf"] else optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """Adapts the scale, or sets it."""
        if not self._enabled:
            return
        self._check_scaled("update")
        if new_scale is not None:
            self._scale.fill_(float(new_scale))
        else:
            checks = [state["found_inf"] for state in self._states.values() if state["found_inf"] is not None]
            if not checks:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(any(checks))
        self._states = defaultdict(_fresh)

    def _adapt(self, infinite):
        if infinite:
            self._scale.mul_(self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = self._scale.item() * self._growth_factor
            if math.isfinite(_ops["full"]((), grown, dtype=_C.float32).item()):
                self._scale.fill_(grown)
            self._growth_tracker = 0

    def get_scale(self):
        """The scale as a number; 1 if the scaler is disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self):
        """By how much the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        """Sets by how much the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        """By how much the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        """Sets by how much the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        """After how many finite steps the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        """Sets after how many finite steps the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self):
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self):
        """Scale, factors and progress; empty if the scaler is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict):
        """Takes what state_dict returned."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of "
                "GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._growth_tracker = (
            state_dict["growth_interval"],
            state_dict["_growth_tracker"],
        )
