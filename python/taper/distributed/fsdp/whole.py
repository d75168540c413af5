"""Whole parameters to look at and to write to, outside of forward and backward."""

from contextlib import contextmanager

import taper
from taper import _C
from taper._grad_mode import no_grad

from ..job import _resolve
from .memory import follow


def _write_back(entry, target, value):
    """What was written to a whole parameter, or its gradient, goes to this rank's part."""
    now = entry.cut.own(value.detach()).to(target.device)
    # The whole may be rounded to the dtype of computation: what nobody wrote keeps its digits.
    target.copy_(taper.where(now != target.to(now.dtype), now.to(target.dtype), target))


def _begin_unit(unit, with_grads, stays):
    for entry in unit.entries if with_grads else ():
        if entry.shard.grad is not None:
            gradient = entry.shard.grad.full_tensor()
            entry.full.grad = gradient.to(entry.full.dtype) if stays else None
    if not stays:
        unit.release()


def _end_unit(unit, writes):
    for entry in unit.entries if unit.is_whole else ():
        if writes:
            _write_back(entry, entry.shard._part, entry.full)
            if entry.full.grad is not None:
                _write_back(entry, _C.Tensor.grad.__get__(entry.shard), entry.full.grad)
        entry.full.grad = None
    unit.release()


@contextmanager
def whole_parameters(states, writes, rank0_only, with_grads):
    """Within it the modules of states have whole parameters, on rank 0 or on all ranks, and their gradients
    if with_grads says so; what is written to them is kept if writes says so."""
    units = [unit for state in states for unit in state.units]
    follow({unit.device for unit in units})
    stays = not rank0_only or _resolve(None).rank() == 0
    for state in states:
        state.gather()
        state.is_pinned = True
    with no_grad():
        for unit in units:
            _begin_unit(unit, with_grads, stays)
    try:
        yield
    finally:
        for state in states:
            state.is_pinned = False
        with no_grad():
            for unit in units:
                _end_unit(unit, writes)
