"""Parameters of which this process holds a part."""

from dataclasses import dataclass

import taper
from taper import _C
from taper._grad_mode import no_grad
from taper.nn.parameter import Parameter

from ..collectives import ReduceOp, all_gather, all_reduce
from .placement_types import Replicate, Shard


@dataclass(frozen=True)
class Cut:
    """One cut of a tensor: among the ranks of group, dimension dim, which has size elements in all."""

    group: object
    dim: int
    size: int

    @property
    def chunk(self):
        """How much all ranks have but the last ones, which may have less."""
        return -(-self.size // self.group.size())

    @property
    def start(self):
        """Where this rank's part begins."""
        return Shard.local_shard_size_and_offset(self.size, self.group.size(), self.group.rank())[1]

    @property
    def length(self):
        """How much this rank has."""
        return Shard.local_shard_size_and_offset(self.size, self.group.size(), self.group.rank())[0]

    def own(self, tensor):
        """This rank's part, a view."""
        return tensor.narrow(self.dim, self.start, self.length)

    def whole(self, part):
        """The tensor of which all ranks have a part; all of them call it."""
        sizes = list(part.shape)
        sizes[self.dim] = self.chunk
        padded = part.new_zeros(sizes)
        padded.narrow(self.dim, 0, self.length).copy_(part)
        parts = [part.new_empty(sizes) for _ in range(self.group.size())]
        all_gather(parts, padded, self.group)
        return taper.cat(parts, self.dim).narrow(self.dim, 0, self.size)


class ShardedParameter(Parameter):
    """This rank's part of a parameter. As a tensor it is the part: its shape, its values. `grad` is this
    rank's part of the gradient, described in the same way.

    device_mesh, placements  how it lies on the ranks
    cuts                     the cuts that were made, the last one first
    partial_group            a group over whose ranks its gradient is to be summed, or None
    """

    def __new__(cls, data, requires_grad=True, cuts=(), device_mesh=None, placements=(), partial_group=None):
        result = super().__new__(cls, data, requires_grad)
        result.cuts, result.device_mesh = tuple(cuts), device_mesh
        result.placements, result.partial_group = tuple(placements), partial_group
        return result

    @property
    def global_shape(self):
        """The shape of the whole parameter."""
        shape = list(self.shape)
        for cut in self.cuts:
            shape[cut.dim] = cut.size
        return _C.Size(shape)

    @property
    def offset(self):
        """Where this part begins in the whole, by dimension."""
        start = [0] * self.ndim
        for cut in self.cuts:
            start[cut.dim] += cut.start
        return tuple(start)

    @property
    def grad(self):
        """The part of the gradient, with full_tensor()."""
        grad = _C.Tensor.grad.__get__(self)
        return grad if grad is None or grad.requires_grad else self.like(grad)

    @grad.setter
    def grad(self, value):
        _C.Tensor.grad.__set__(self, value)

    def detach(self):
        """What state_dict() gives: the DTensor that these parts make up, in the same memory. A parameter that
        was cut along several meshes lies on no one mesh, and stays of this class."""
        if self.device_mesh is None or len(self.placements) != self.device_mesh.ndim:
            return self.like(self.data)
        from .dtensor import DTensor

        return DTensor.from_local(self.data, self.device_mesh, self.placements, shape=self.global_shape)

    def to_local(self):
        """The part as a plain tensor, which shares its memory and history."""
        return self.view(self.shape)

    def full_tensor(self):
        """The whole parameter's values; all ranks of its groups call it."""
        return self.whole_of(self.data)

    def whole_of(self, part):
        """The whole of a tensor that is cut like this parameter, such as an optimizer's state."""
        with no_grad():
            for cut in self.cuts:
                part = cut.whole(part)
        return part

    def own_part(self, whole):
        """This rank's part of a tensor that has the parameter's global shape: a view."""
        for cut in reversed(self.cuts):
            whole = cut.own(whole)
        return whole

    def part_of(self, saved):
        """This rank's part of what a state dictionary has: a DTensor, a whole tensor, or the part itself."""
        if isinstance(saved, ShardedParameter):
            return saved.data
        if saved.shape != self.global_shape:
            return saved
        if getattr(saved, "placements", None) == self.placements:
            return saved.to_local()
        return self.own_part(saved.full_tensor() if hasattr(saved, "full_tensor") else saved)

    def described(self, value):
        """What state_dict() of an optimizer has for an entry of this parameter's state: a DTensor where it is
        cut like the parameter."""
        cut = self.cuts and isinstance(value, _C.Tensor) and value.ndim > 0 and value.shape == self.shape
        return self.like(value).detach() if cut else value

    def like(self, part):
        """part, of this parameter's shape, described as cut in the same way."""
        return type(self)(part.data, False, self.cuts, self.device_mesh, self.placements)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            copy = type(self)(
                self.data.clone(),
                self.requires_grad,
                self.cuts,
                self.device_mesh,
                self.placements,
                self.partial_group,
            )
            if self.grad is not None:
                copy.grad = self.grad.detach().clone()
            memo[id(self)] = copy
        return memo[id(self)]


def distribute_parameter(parameter, device_mesh, placement, partial_group=None):
    """The part of this rank, cut by placement (Shard or Replicate) along a mesh of one dimension. All ranks
    hold equal parameters before."""
    cuts = list(getattr(parameter, "cuts", ()))
    data = parameter.data
    if isinstance(placement, Shard):
        cut = Cut(device_mesh.get_group(), placement.dim % data.ndim, data.shape[placement.dim])
        cuts.insert(0, cut)
        data = cut.own(data).contiguous().clone()
        placement = Shard(cut.dim)
    elif not isinstance(placement, Replicate):
        raise ValueError(f"distribute_parameter: expected Shard or Replicate, got {placement}")
    before = getattr(parameter, "placements", ())
    partial_group = partial_group or getattr(parameter, "partial_group", None)
    return ShardedParameter(
        data, parameter.requires_grad, cuts, device_mesh, (placement, *before), partial_group
    )


def norm_of_gradients(parameters, norm_type):
    """The norm of the gradients of parameters of which some are cut: over all ranks that have parts."""
    parameters = list(parameters)
    place = parameters[0].device if parameters else "cpu"
    stack, infinite = taper.stack, norm_type == float("inf")
    by_groups = {}
    for parameter in parameters:
        groups = tuple(cut.group for cut in getattr(parameter, "cuts", ()) if cut.group.size() > 1)
        entry = by_groups.setdefault(tuple(map(id, groups)), (groups, []))
        if parameter.grad is not None and parameter.grad.numel():
            size = parameter.grad.data.abs()
            entry[1].append((size.max() if infinite else size.pow(norm_type).sum()).double())
    sums = []
    for groups, parts in by_groups.values():
        total = stack(parts) if parts else taper.zeros(1, dtype=taper.float64, device=place)
        total = total.max() if infinite else total.sum()
        for group in groups:
            all_reduce(total, ReduceOp.MAX if infinite else ReduceOp.SUM, group)
        sums.append(total)
    return stack(sums).max() if infinite else stack(sums).sum().pow(1.0 / norm_type)
