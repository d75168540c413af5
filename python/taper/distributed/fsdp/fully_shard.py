"""fully_shard: a module whose parameters each process holds a part of, whole only while they are used."""

import functools
import warnings

from taper import _C
from taper.nn.container import ModuleDict, ModuleList
from taper.nn.module import Module

from ..device_mesh import DeviceMesh
from ..job import GroupMember, _resolve, get_world_size, new_group
from ..tensor.dtensor import DTensor
from ..tensor.placement_types import Shard
from .fsdp_module import FSDPModule
from .policies import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy
from .state import State
from .unit import Unit

_classes = {}
_AS_IT_IS = MixedPrecisionPolicy()


def _own_parameters(modules, ignored):
    """(places, parameter) of those that no fully_shard below took, each once."""
    places = {}

    def visit(inner, outermost):
        if not outermost and hasattr(inner, "_fsdp"):
            return
        for name, parameter in inner._parameters.items():
            if parameter is None or id(parameter) in ignored:
                continue
            if parameter.ndim == 0:
                raise ValueError(
                    f"fully_shard doesn't support scalar parameters. Change {name} to a 1D tensor with numel "
                    "equal to 1."
                )
            seen, _ = places.setdefault(id(parameter), ([], parameter))
            if not any(module is inner and name == other for module, other in seen):
                seen.append((inner, name))
        for child in inner.children():
            visit(child, False)

    for module in modules:
        visit(module, True)
    return list(places.values())


def _groups_of(mesh, named):
    """(shard group, replicate group or None, mesh)."""
    if mesh is None:
        on_device = any(parameter.is_cuda for _, parameter in named)
        device_type = "cuda" if on_device else "cpu"
        mesh = DeviceMesh.from_group(_resolve(None), device_type, list(range(get_world_size())))
    if not isinstance(mesh, DeviceMesh) or mesh.ndim > 2:
        raise ValueError(f"fully_shard expects a 1D or 2D DeviceMesh but got {mesh}")
    if mesh.ndim == 1:
        return mesh.get_group(0), None, mesh
    return mesh.get_group(1), mesh.get_group(0), mesh


# By (group that divides, size): the group of that many neighbours in it, of the job that is.
_neighbours = {}


def _group_of_neighbours(mesh, size):
    """This rank's group of size neighbours along the last dimension of mesh. All ranks of the job call it."""
    job, own = _resolve(None), mesh.get_group(mesh.ndim - 1)
    if _neighbours.get("job") is not job:
        _neighbours.clear()
        _neighbours["job"] = job
    if (own, size) not in _neighbours:
        ranks = mesh._origin.mesh.movedim(mesh._places[-1], -1)
        made = [new_group(line) for line in ranks.reshape(-1, size).tolist()]
        _neighbours[own, size] = next(g for g in made if g is not GroupMember.NON_GROUP_MEMBER)
    return _neighbours[own, size]


def _after_forward(reshard_after_forward, mesh, group):
    """(whether parameters are given back after forward, the smaller group that keeps them in parts)."""
    size, world = reshard_after_forward, group.size()
    if size is None or isinstance(size, bool):
        return size, None
    if not isinstance(size, int):
        raise ValueError(
            "reshard_after_forward should be a bool or an int representing the group size to reshard to, not "
            f"{size}"
        )
    if not 1 <= size <= world or world % size:
        raise ValueError(
            f"If passing reshard_after_forward as an int, it should be a factor of {world}, not {size}"
        )
    if size == 1:
        warnings.warn(
            "reshard_after_forward=1 (int) means resharding parameters to world size 1, instead of "
            "reshard_after_forward=True (bool)",
            stacklevel=3,
        )
        return False, None
    return True, None if size == world else _group_of_neighbours(mesh, size)


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


def shard_modules(
    modules, mesh, reshard_after_forward, shard_placement_fn, mp_policy, offload_policy, ignored_params
):
    """Makes modules one group, without changing their classes; arguments as those of fully_shard."""
    ignored = {id(parameter) for parameter in ignored_params or ()}
    named = _own_parameters(modules, ignored)
    shard_group, replicate_group, mesh = _groups_of(mesh, named)
    if shard_group is None:
        raise ValueError("fully_shard: this process is not in the mesh")
    releases, smaller = _after_forward(reshard_after_forward, mesh, shard_group)
    for module in modules if mesh.device_type == "cuda" else ():
        _to_device(module, ignored)
    offload = offload_policy if isinstance(offload_policy, CPUOffloadPolicy) else None
    dim_of = functools.partial(_dim_to_cut, shard_placement_fn, shard_group)
    by_dtype = {}
    for places, parameter in named:
        by_dtype.setdefault(parameter.dtype, []).append((places, parameter))
    units = [
        Unit(group, mesh, shard_group, replicate_group, dim_of, mp_policy, offload)
        for group in by_dtype.values()
    ]
    return State(modules, units, releases, smaller, mp_policy)


def fully_shard(
    module,
    *,
    mesh=None,
    reshard_after_forward=None,
    shard_placement_fn=None,
    mp_policy=_AS_IT_IS,
    offload_policy=None,
    ignored_params=None,
):
    """Divides the parameters of module, but those of modules below that it was applied to before, among the
    ranks of a mesh (all ranks unless given; of a mesh with two dimensions the second, replicated along the
    first). They become one group: gathered before the module's forward and its backward, given back after
    each; gradients are averaged, and each rank gets those of its parts. The parameters that an optimizer made
    afterwards sees are DTensors, of which it steps this rank's parts: its state is divided as well. Equal to
    training in one process, to rounding. Several modules, in a list, become one group together.

    Apply it to the layers first and to the whole module last. All processes start with equal parameters.

    reshard_after_forward  False, or 1, keeps parameters whole between forward and backward (ZeRO stage 2);
                           None: for the outermost module only. Another number, a divisor of the number of
                           ranks, keeps them divided among so many neighbouring ranks in between
    shard_placement_fn     shard_placement_fn(parameter) says which dimension is cut: Shard(dim), or None for
                           the first; another must be divisible by the number of ranks
    mp_policy              dtypes to compute and to average in
    offload_policy         a CPUOffloadPolicy keeps the parts of a mesh of devices in main memory
    ignored_params         parameters that stay whole, and whose gradients are not averaged
    """
    if offload_policy is not None and not isinstance(offload_policy, OffloadPolicy):
        raise TypeError(f"fully_shard: offload_policy must be an OffloadPolicy, got {offload_policy!r}")
    modules = list(module) if isinstance(module, (list, tuple)) else [module]
    for one in modules:
        if not isinstance(one, Module):
            raise TypeError(f"fully_shard: expected a module, got {type(one).__name__}")
        if isinstance(one, (ModuleList, ModuleDict)):
            raise ValueError(f"fully_shard does not support containers that do not implement forward: {one}")
        if hasattr(one, "_fsdp"):
            raise AssertionError(
                "Each distinct composable distributed API can only be applied to a module once. fully_shard "
                f"has already been applied to the following module:\n{one}"
            )
    shard_modules(
        modules, mesh, reshard_after_forward, shard_placement_fn, mp_policy, offload_policy, ignored_params
    )
    for one in modules:
        kind = type(one)
        if kind not in _classes:
            _classes[kind] = type(f"FSDP{kind.__name__}", (FSDPModule, kind), {"__module__": kind.__module__})
        one.__class__ = _classes[kind]
    return module
