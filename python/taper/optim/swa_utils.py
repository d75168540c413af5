"""Averages of a model's weights over training, and the schedule that goes with them."""

import itertools
import math
from copy import deepcopy

from .. import _C
from .._grad_mode import no_grad
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from .lr_scheduler import LRScheduler, _per_group


def _check_decay(decay):
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _move(averaged, current, part):
    """averaged += part * (current - averaged), in place."""
    if averaged.is_floating_point() or averaged.is_complex():
        averaged.lerp_(current, part)
    else:
        averaged.copy_(averaged + (current - averaged) * part)


def get_ema_multi_avg_fn(decay=0.999):
    """A function that moves a list of averages by 1 - decay towards a list of values, in place."""
    _check_decay(decay)

    def update(averaged, current, num_averaged):
        with no_grad():
            for a, b in zip(averaged, current, strict=True):
                _move(a, b, 1 - decay)

    return update


def get_swa_multi_avg_fn():
    """A function that takes a list of values into a list of means of num_averaged values, in place."""

    def update(averaged, current, num_averaged):
        with no_grad():
            for a, b in zip(averaged, current, strict=True):
                _move(a, b, 1.0 / (int(num_averaged) + 1))

    return update


def get_ema_avg_fn(decay=0.999):
    """A function that gives decay * average + (1 - decay) * value."""
    _check_decay(decay)

    def update(averaged, current, num_averaged):
        with no_grad():
            return decay * averaged + (1 - decay) * current

    return update


def get_swa_avg_fn():
    """A function that gives the mean of num_averaged + 1 values, from that of num_averaged and one more."""

    def update(averaged, current, num_averaged):
        with no_grad():
            return averaged + (current - averaged) / (num_averaged + 1)

    return update


class AveragedModel(Module):
    """A copy of model whose parameters are means over training: Izmailov et al. 2018, arXiv:1803.05407."""

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _C._homes["taper"]["zeros"]((), dtype=_C.int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def _tensors(self, model):
        buffers = model.buffers() if self.use_buffers else ()
        return [tensor.detach() for tensor in itertools.chain(model.parameters(), buffers)]

    def update_parameters(self, model):
        """Takes the parameters of model into the mean."""
        averaged, current = self._tensors(self.module), self._tensors(model)
        if self.n_averaged.item() == 0:
            for a, b in zip(averaged, current):
                a.copy_(b)
        elif self.avg_fn is not None:
            for a, b in zip(averaged, current):
                a.copy_(self.avg_fn(a, b, self.n_averaged))
        else:
            self._update_lists(averaged, current)
        if not self.use_buffers:
            for a, b in zip(self.module.buffers(), model.buffers()):
                a.detach().copy_(b.detach())
        self.n_averaged += 1

    def _update_lists(self, averaged, current):
        update = self.multi_avg_fn or get_swa_multi_avg_fn()
        dtypes = {a.dtype for a in averaged}
        for dtype in dtypes:
            pairs = [(a, b) for a, b in zip(averaged, current) if a.dtype == dtype]
            update([a for a, _ in pairs], [b for _, b in pairs], self.n_averaged)


def update_bn(loader, model, device=None):
    """Recomputes the running statistics of model's batch norms over one pass of loader, in training mode."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta, training = [norm.momentum for norm in norms], model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with no_grad():
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the present rate to swa_lr over anneal_epochs epochs, and constant from there on."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for rate, group in zip(_per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _annealed(self, step):
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self):
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._annealed(step - 1), self._annealed(step)
        rates = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
