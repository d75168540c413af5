"""Copies of a module on several devices whose gradients arrive at the parameters of the original."""

import contextlib

from ... import _C, cuda
from ..._creation import _device


def replicate(network, devices, detach=False):
    """A list with a copy of network for each of the devices.

    Parameters of a copy are computed from those of network by moving them (detach: are none of the graph);
    where they are there already they are the same tensors.
    """
    return [_copy(network, _device(device), detach, {}) for device in devices]


def _copy(module, device, detach, made):
    if module is None or module in made:
        return made.get(module)
    copy = made[module] = module.__new__(type(module))
    copy.__dict__.update(module.__dict__)
    for registry in ("_parameters", "_buffers"):
        tensors = module.__dict__[registry].items()
        copy.__dict__[registry] = {name: _moved(tensor, device, detach, made) for name, tensor in tensors}
    copy.__dict__["_modules"] = {
        name: _copy(child, device, detach, made) for name, child in module._modules.items()
    }
    return copy


def _moved(tensor, device, detach, made):
    if tensor is None:
        return None
    if id(tensor) not in made:  # one that two modules share stays one
        made[id(tensor)] = (tensor.detach() if detach else tensor).to(device)
    return made[id(tensor)]


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None):
    """What each module gives for its inputs, a tensor or a tuple of arguments. Work on devices overlaps, as
    they run on their own once they were told what to do."""
    kwargs_tup = [{}] * len(modules) if kwargs_tup is None else kwargs_tup
    devices = [None] * len(modules) if devices is None else devices
    results = []
    for module, arguments, kwargs, device in zip(modules, inputs, kwargs_tup, devices, strict=True):
        arguments = arguments if isinstance(arguments, (list, tuple)) else (arguments,)
        on_gpu = device is not None and _device(device).type == "cuda"
        with cuda.device(device) if on_gpu else contextlib.nullcontext():
            results.append(module(*arguments, **kwargs))
    return results


def first_on_another_device(module, device):
    """A parameter or buffer of module that is not on device, or None."""
    return next((t for t in [*module.parameters(), *module.buffers()] if t.device != _C.device(device)), None)
