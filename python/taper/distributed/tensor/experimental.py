"""Plain tensors among DTensors, and functions of parts among functions of DTensors."""

import functools
from contextlib import contextmanager

from taper import _C
from taper.utils._pytree import tree_flatten, tree_unflatten

from . import dtensor
from .dtensor import DTensor

__all__ = ["implicit_replication", "local_map"]


@contextmanager
def implicit_replication():
    """Within it, plain tensors beside DTensors are taken to be the same on all ranks: Replicate."""
    before, dtensor.modes.replicates = dtensor.modes.replicates, True
    try:
        yield
    finally:
        dtensor.modes.replicates = before


def _listed(placements, count):
    """One entry for each of count values; a list of placements alone stands for all."""
    if isinstance(placements, tuple) and all(p is None or isinstance(p, (list, tuple)) for p in placements):
        if len(placements) != count:
            raise ValueError(f"local_map: got placements for {len(placements)} values, there are {count}")
        return placements
    return [placements] * count


def _part(value, placements, grad_placements, mesh, redistributes):
    if not isinstance(value, DTensor):
        return value
    if placements is not None and tuple(placements) != value.placements:
        if not redistributes:
            raise ValueError(
                f"local_map: an argument lies as {value.placements}, expected {tuple(placements)}; give "
                "redistribute_inputs=True, or redistribute it before"
            )
        value = value.redistribute(mesh, placements)
    return value.to_local(grad_placements=grad_placements)


def local_map(
    func=None,
    out_placements=None,
    in_placements=None,
    in_grad_placements=None,
    device_mesh=None,
    *,
    redistribute_inputs=False,
):
    """A function of DTensors, which calls func on this rank's parts and makes DTensors of its results.

    out_placements      of the result; a tuple of such lists, and None for what stays as it is, for several
    in_placements       a tuple, for each value in the positional arguments how it must lie, or None. What
                        lies otherwise is redistributed with redistribute_inputs, else raises ValueError
    in_grad_placements  a tuple, for each value how the gradients that func gives lie: see DTensor.to_local
    device_mesh         that of the first DTensor unless given
    """
    if func is None:
        return functools.partial(
            local_map,
            out_placements=out_placements,
            in_placements=in_placements,
            in_grad_placements=in_grad_placements,
            device_mesh=device_mesh,
            redistribute_inputs=redistribute_inputs,
        )

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        values, structure = tree_flatten(args)
        mesh = device_mesh or next((x.device_mesh for x in values if isinstance(x, DTensor)), None)
        wanted, coming = (_listed(p, len(values)) for p in (in_placements, in_grad_placements))
        parts = [
            _part(x, to, grad, mesh, redistribute_inputs)
            for x, to, grad in zip(values, wanted, coming, strict=True)
        ]
        output = func(*tree_unflatten(parts, structure), **kwargs)
        if mesh is None:
            return output
        results, shape = tree_flatten(output)
        laid = [
            DTensor.from_local(x, mesh, to) if isinstance(x, _C.Tensor) and to is not None else x
            for x, to in zip(results, _listed(out_placements, len(results)), strict=True)
        ]
        return tree_unflatten(laid, shape)

    return mapped
