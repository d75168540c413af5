"""fully_shard: a module whose parameters each process holds a part of, whole only while they are used."""

import functools
from dataclasses import dataclass

from taper import _C, cuda
from taper.nn.distributed import _tensors_in
from taper.nn.module import Module

from ..device_mesh import DeviceMesh
from ..job import _resolve, get_world_size
from ..tensor.dtensor import DTensor
from ..tensor.placement_types import Shard
from .memory import follow
from .unit import Unit


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """param_dtype: of the parameters in forward and backward, and of what is gathered; reduce_dtype: in which
    gradients are averaged (param_dtype unless given); output_dtype: to which a module's floating results are
    cast; cast_forward_inputs: whether floating inputs are cast to param_dtype. The parts that the optimizer
    sees keep their dtype."""

    param_dtype: object = None
    reduce_dtype: object = None
    output_dtype: object = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Parameters stay where they are."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Parts of parameters, gradients and optimizer state lie in main memory, of which pin_memory makes the
    parameters' page-locked; what is gathered lies on the mesh's device."""

    pin_memory: bool = True


def _cast(value, dtype):
    if isinstance(value, _C.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _cast(item, dtype) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_cast(item, dtype) for item in value)
    return value


class _Root:
    """What the sharded modules below one root share: their order, and whether backward runs."""

    def __init__(self, modules):
        self.states = [module._fsdp for module in modules]
        self.order, self.in_backward = [], False
        for state in self.states:
            state.root = self

    def devices(self):
        """Where the units are computed with."""
        return {unit.device for state in self.states for unit in state.units}

    def _runs_backward(self):
        if self.in_backward and not _C._in_backward():  # it raised, so end_backward was not called
            self.in_backward = False
            for unit in (unit for state in self.states for unit in state.units):
                unit.forget_backward()
        return self.in_backward

    def begin(self):
        """Before the outermost forward."""
        if self._runs_backward():
            return
        self.order = []
        follow(self.devices())
        for state in self.states:
            # What an earlier pass left whole may be out of date.
            for unit in state.units:
                unit.release()
                unit.take_requirements()

    def begin_backward(self):
        if self._runs_backward():
            return
        self.in_backward = True
        for state in self.states:
            for unit in state.units:
                unit.begin_backward()
        _C._queue_callback(self.end_backward)

    def end_backward(self):
        self.in_backward = False
        for state in self.states:
            for unit in state.units:
                unit.reduce()
        for state in self.states:
            for unit in state.units:
                unit.finish_reducing()
                unit.drop_gathering()
        for device in self.devices():
            if device.type == "cuda" and any(unit.offload for state in self.states for unit in state.units):
                # The host reads the gradients.
                cuda.current_stream(device).synchronize()

    def before(self, state):
        """Whose backward comes after that of state."""
        place = self.order.index(state) if state in self.order else 0
        return self.order[place - 1] if place > 0 else None


class _State:
    """What fully_shard leaves in a module."""

    def __init__(self, module, units, reshard_after_forward, policy):
        self.module, self.units, self.policy = module, units, policy
        self.reshard_after_forward, self.reshard_after_backward = reshard_after_forward, True
        self.root, self.depth = None, 0
        self.forward_prefetch, self.backward_prefetch = [], None
        for unit in units:
            unit.on_reduced = self._after_backward

    def gather(self):
        for unit in self.units:
            unit.start_gathering()
        for unit in self.units:
            unit.gather()

    def start_gathering(self):
        for unit in self.units:
            unit.start_gathering()

    def release(self):
        for unit in self.units:
            unit.release()

    def before_forward(self, module, args, kwargs):
        if self.root is None:
            below = [m for m in module.modules() if hasattr(m, "_fsdp")]
            _Root(below)
            self.is_outermost = True
        if getattr(self, "is_outermost", False):
            self.root.begin()
        if not self.root.in_backward:
            self.root.order.append(self)
        self.gather()
        for module in self.forward_prefetch:
            module._fsdp.start_gathering()
        if self.policy.param_dtype is not None and self.policy.cast_forward_inputs:
            return _cast(args, self.policy.param_dtype), _cast(kwargs, self.policy.param_dtype)
        return None

    def after_forward(self, module, args, output):
        outputs = _tensors_in(output)
        tracked = [tensor for tensor in outputs if tensor.requires_grad] if _C.is_grad_enabled() else []
        if not self.root.in_backward and (not tracked or self._releases_after_forward()):
            self.release()
        if self.policy.output_dtype is not None:
            output = _cast(output, self.policy.output_dtype)
            tracked = [tensor for tensor in _tensors_in(output) if tensor.requires_grad] if tracked else []
        for tensor in tracked:
            tensor.register_hook(self._before_backward)
        return output

    def _releases_after_forward(self):
        if self.reshard_after_forward is None:
            return not getattr(self, "is_outermost", False)
        return self.reshard_after_forward is True or self.reshard_after_forward > 1

    def _before_backward(self, gradient):
        self.root.begin_backward()
        self.gather()
        if self.backward_prefetch is not None:
            for module in self.backward_prefetch:
                module._fsdp.start_gathering()
        elif (following := self.root.before(self)) is not None:
            for unit in following.units:
                if unit.awaits_gradients:  # else its backward is over already
                    unit.start_gathering()

    def _after_backward(self, unit):
        if self.reshard_after_backward:
            unit.release()


class FSDPModule:
    """What fully_shard makes of a module's class."""

    def _states(self, recurse):
        modules = self.modules() if recurse else [self]
        return [module._fsdp for module in modules if hasattr(module, "_fsdp")]

    def unshard(self, async_op=False):
        """Gathers this module's parameters. With async_op a handle to wait() for is returned."""
        follow({unit.device for unit in self._fsdp.units})
        self._fsdp.start_gathering()
        if not async_op:
            self._fsdp.gather()
            return None
        return _Handle(self._fsdp)

    def reshard(self):
        """Gives the memory of the whole parameters back."""
        self._fsdp.release()

    def set_requires_gradient_sync(self, requires_gradient_sync, *, recurse=True):
        """With False, backward only accumulates whole gradients in this process; the next one with True
        averages all."""
        for state in self._states(recurse):
            for unit in state.units:
                unit.requires_sync = requires_gradient_sync

    def set_is_last_backward(self, is_last_backward):
        """Accepted for PyTorch's sake: gradients are there at the end of each backward()."""

    def set_reshard_after_forward(self, reshard_after_forward, recurse=True):
        """Whether parameters are given back after forward."""
        for state in self._states(recurse):
            state.reshard_after_forward = reshard_after_forward

    def set_reshard_after_backward(self, reshard_after_backward, *, recurse=True):
        """Whether parameters are given back after backward."""
        for state in self._states(recurse):
            state.reshard_after_backward = reshard_after_backward

    def set_modules_to_forward_prefetch(self, modules):
        """Modules whose parameters begin to be gathered when this one's are there."""
        self._fsdp.forward_prefetch = list(modules)

    def set_modules_to_backward_prefetch(self, modules):
        """As set_modules_to_forward_prefetch, in backward; unless called, the module used before."""
        self._fsdp.backward_prefetch = list(modules)


class _Handle:
    def __init__(self, state):
        self._state = state

    def wait(self):
        """Until the parameters are whole."""
        self._state.gather()


_classes = {}


def _own_parameters(module, ignored):
    """(places, parameter) of those that no fully_shard below took, each once."""
    places = {}

    def visit(inner):
        if inner is not module and hasattr(inner, "_fsdp"):
            return
        for name, parameter in inner._parameters.items():
            if parameter is not None and id(parameter) not in ignored:
                places.setdefault(id(parameter), ([], parameter))[0].append((inner, name))
        for child in inner.children():
            visit(child)

    visit(module)
    return list(places.values())


def _groups_of(mesh, named):
    """(shard group, replicate group or None, mesh)."""
    if mesh is None:
        on_device = any(parameter.is_cuda for _, parameter in named)
        device_type = "cuda" if on_device else "cpu"
        mesh = DeviceMesh.from_group(_resolve(None), device_type, list(range(get_world_size())))
    if not isinstance(mesh, DeviceMesh) or mesh.ndim > 2:
        raise ValueError(
            "fully_shard: mesh must be a DeviceMesh with one dimension, or two to replicate also"
        )
    if mesh.ndim == 1:
        return mesh.get_group(0), None, mesh
    return mesh.get_group(1), mesh.get_group(0), mesh


def _dim_to_cut(placement_of, group, parameter):
    """The dimension of parameter that is divided: the first, or what the function of the caller says."""
    placement = placement_of(parameter) if placement_of is not None else None
    if placement is None:
        return 0
    if not isinstance(placement, Shard) or not -parameter.ndim <= placement.dim < parameter.ndim:
        raise ValueError(
            f"fully_shard: shard_placement_fn gave {placement} for a parameter of shape "
            f"{tuple(parameter.shape)}; expected None or a Shard of one of its dimensions"
        )
    dim = placement.dim % parameter.ndim
    if dim and parameter.shape[dim] % group.size():
        raise _C.NotImplementedError(
            f"fully_shard: dimension {dim} of a parameter of shape {tuple(parameter.shape)} cannot be "
            f"divided evenly among {group.size()} ranks"
        )
    return dim


def _to_device(module, ignored):
    """What lies in main memory goes to the current device."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == "cpu" and id(tensor) not in ignored and not isinstance(tensor, DTensor):
            tensor.data = tensor.data.cuda()


def fully_shard(
    module,
    *,
    mesh=None,
    reshard_after_forward=None,
    shard_placement_fn=None,
    mp_policy=MixedPrecisionPolicy(),
    offload_policy=None,
    ignored_params=None,
):
    """Divides the parameters of module, but those of modules below that it was applied to before, among the
    ranks of a mesh (all ranks unless given; of a mesh with two dimensions the second, replicated along the
    first). They become one unit: gathered before the module's forward and its backward, given back after
    each; gradients are averaged, and each rank gets those of its parts. The parameters that an optimizer made
    afterwards sees are DTensors, of which it steps this rank's parts: its state is divided as well. Equal to
    training in one process, to rounding.

    Apply it to the layers first and to the whole module last. All processes start with equal parameters.

    reshard_after_forward  False, or 1, keeps parameters whole between forward and backward (ZeRO stage 2);
                           None: for the outermost module only. Another number counts as True
    shard_placement_fn     shard_placement_fn(parameter) says which dimension is cut: Shard(dim), or None for
                           the first; another must be divisible by the number of ranks
    mp_policy              dtypes to compute and to average in
    offload_policy         a CPUOffloadPolicy keeps the parts of a mesh of devices in main memory
    """
    if offload_policy is not None and not isinstance(offload_policy, OffloadPolicy):
        raise TypeError(f"fully_shard: offload_policy must be an OffloadPolicy, got {offload_policy!r}")
    if isinstance(module, (list, tuple)):
        raise _C.NotImplementedError("fully_shard: give one module, not a list of them")
    if not isinstance(module, Module):
        raise TypeError(f"fully_shard: expected a module, got {type(module).__name__}")
    if hasattr(module, "_fsdp"):
        raise ValueError("fully_shard: was applied to this module already")
    named = _own_parameters(module, {id(p) for p in ignored_params or ()})
    shard_group, replicate_group, mesh = _groups_of(mesh, named)
    if shard_group is None:
        raise ValueError("fully_shard: this process is not in the mesh")
    if mesh.device_type == "cuda":
        _to_device(module, {id(p) for p in ignored_params or ()})
    offload = offload_policy if isinstance(offload_policy, CPUOffloadPolicy) else None
    dim_of = functools.partial(_dim_to_cut, shard_placement_fn, shard_group)
    units = [Unit(named, mesh, shard_group, replicate_group, dim_of, mp_policy, offload)] if named else []
    state = _State(module, units, reshard_after_forward, mp_policy)
    object.__setattr__(module, "_fsdp", state)
    kind = type(module)
    if kind not in _classes:
        _classes[kind] = type(f"FSDP{kind.__name__}", (FSDPModule, kind), {"__module__": kind.__module__})
    module.__class__ = _classes[kind]
    module.register_forward_pre_hook(state.before_forward, prepend=True, with_kwargs=True)
    module.register_forward_hook(state.after_forward)
    return module


def register_fsdp_forward_method(module, method_name):
    """Gathers the module's parameters around this method as well."""
    method = getattr(module, method_name)

    def wrapped(*args, **kwargs):
        changed = module._fsdp.before_forward(module, args, kwargs)
        args, kwargs = changed if changed is not None else (args, kwargs)
        return module._fsdp.after_forward(module, args, method(*args, **kwargs))

    object.__setattr__(module, method_name, wrapped)
