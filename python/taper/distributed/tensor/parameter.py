"""Parameters that are DTensors."""

import math
import weakref
from collections import OrderedDict

import taper
from taper import _C
from taper.nn._hooks import RemovableHandle
from taper.nn.parameter import Parameter
from taper.overrides import DisableTorchFunctionSubclass

from ..collectives import ReduceOp, all_reduce, broadcast
from .cut import Cut
from .dtensor import DTensor, cuts_of
from .placement_types import Replicate, Shard, _StridedShard


class DTensorParameter(DTensor, Parameter):
    """A DTensor that a module registers as its own: nn.Parameter(distribute_tensor(...)).

    partial_group  a group over whose ranks its gradient is to be summed, or None
    """

    partial_group = None

    def __new__(cls, data, requires_grad=True):
        with DisableTorchFunctionSubclass():
            result = Parameter.__new__(cls, data._part, False)
            result.device_mesh, result.placements = data.device_mesh, data.placements
            result._shape = data.shape
            return result.requires_grad_(requires_grad)

    def register_post_accumulate_grad_hook(self, hook):
        """Calls hook(self) after each gradient was added to grad; of what fully_shard divides, after it was
        averaged."""
        if not hasattr(self, "_after_gradient"):
            self._after_gradient, own = OrderedDict(), weakref.ref(self)
            super().register_post_accumulate_grad_hook(lambda _: own().gradient_is_there())
        handle = RemovableHandle(self._after_gradient)
        self._after_gradient[handle.id] = hook
        return handle

    def gradient_is_there(self):
        """Calls the hooks of register_post_accumulate_grad_hook."""
        for hook in list(getattr(self, "_after_gradient", {}).values()):
            hook(self)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            copy = type(self)(self._like(self._part.clone()), self.requires_grad)
            copy.partial_group = self.partial_group
            if self.grad is not None:
                copy.grad = self.grad.detach().clone()
            memo[id(self)] = copy
        return memo[id(self)]


def local(x):
    """This rank's part of a DTensor, with its history; other tensors as they are."""
    return x.to_local() if isinstance(x, DTensor) else x


def part_of(x):
    """This rank's part of a DTensor, or a tensor, outside of the graph."""
    return x._part if isinstance(x, DTensor) else x.detach()


def divided(parameter, part, mesh, placements):
    """The parameter of which this rank keeps part after a further division: along mesh, as placements say, of
    what each rank had."""
    whole, dims, layout = mesh, range(mesh.ndim), {}
    if isinstance(parameter, DTensor):
        whole, dims, others = mesh._joined(parameter.device_mesh)
        layout = dict(zip(others, parameter.placements))
    before = dict(layout)
    for dim, placement in zip(dims, placements):
        later = [d for d, p in before.items() if d > dim and p == placement and isinstance(p, Shard)]
        if later:
            placement = _StridedShard(placement.dim, math.prod(map(whole.size, later)))
        layout[dim] = placement
    placements = [layout[dim] for dim in range(whole.ndim)]
    laid = DTensor.from_local(part, whole, placements, shape=parameter.shape)
    result = DTensorParameter(laid, parameter.requires_grad)
    result.partial_group = getattr(parameter, "partial_group", None)
    return result


def distribute_parameter(parameter, device_mesh, placement, partial_group=None, source=None):
    """The part of this rank, cut by placement (Shard or Replicate) along a mesh of one dimension, of what
    group rank source has. With source=None all ranks hold equal parameters before."""
    part = part_of(parameter)
    if source is not None:
        part = part.contiguous().clone()
        broadcast(part, group=device_mesh.get_group(), group_src=source)
    if isinstance(placement, Shard):
        placement = Shard(placement.dim % part.ndim)
        cut = Cut(device_mesh.get_group(), placement.dim, part.shape[placement.dim])
        part = cut.own(part).contiguous().clone()
    elif not isinstance(placement, Replicate):
        raise ValueError(f"distribute_parameter: expected Shard or Replicate, got {placement}")
    result = divided(parameter, part, device_mesh, [placement])
    result.partial_group = partial_group or result.partial_group
    return result


def _groups_that_divide(parameter):
    if not isinstance(parameter, DTensor):
        return ()
    cuts = cuts_of(parameter.shape, parameter.placements, parameter.device_mesh)
    return tuple(cut.group for _, cut in cuts if cut.group.size() > 1)


def holds_for_all_parts(flag, parameters):
    """Whether flag, a bool on each rank, is true on all that have parts of the parameters; a tensor."""
    flag = flag.float()
    for group in {id(group): group for p in parameters for group in _groups_that_divide(p)}.values():
        all_reduce(flag, ReduceOp.MIN, group)
    return flag > 0


def norm_of_gradients(parameters, norm_type):
    """The norm of the gradients of parameters of which some are cut: over all ranks that have parts."""
    parameters = list(parameters)
    place = parameters[0].device if parameters else "cpu"
    stack, infinite = taper.stack, norm_type == float("inf")
    by_groups = {}
    for parameter in parameters:
        groups = _groups_that_divide(parameter)
        entry = by_groups.setdefault(tuple(map(id, groups)), (groups, []))
        grad = _C.Tensor.grad.__get__(parameter)
        if grad is not None and grad.numel():
            size = grad.detach().abs()
            entry[1].append((size.max() if infinite else size.pow(norm_type).sum()).double())
    sums = []
    for groups, parts in by_groups.values():
        total = stack(parts) if parts else taper.zeros(1, dtype=taper.float64, device=place)
        total = total.max() if infinite else total.sum()
        for group in groups:
            all_reduce(total, ReduceOp.MAX if infinite else ReduceOp.SUM, group)
        sums.append(total)
    total = stack(sums).max() if infinite else stack(sums).sum().pow(1.0 / norm_type)
    return total.to(parameters[0].dtype) if parameters else total
