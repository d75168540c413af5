"""A unit of sharded parameters: gathered together before use, reduced together after backward."""

import taper
from taper import _C, cuda
from taper._grad_mode import no_grad
from taper.nn.parameter import Parameter

from ..collectives import ReduceOp
from ..tensor.cut import Cut
from ..tensor.parameter import divided, part_of
from ..tensor.placement_types import Replicate, Shard
from .memory import memory_on

_GRAD = _C.Tensor.grad  # of this rank's part, a plain tensor
_ALIGNMENT = 64  # bytes, as the tensors of the library itself


class _Entry:
    """One parameter: where it lies in the unit's memory and in what travels. There the dimension that is cut
    is the first."""

    def __init__(self, places, parameter, cut):
        self.places, self.cut = places, cut
        whole = part_of(parameter)
        self.shape = whole.movedim(cut.dim, 0).shape
        row = whole.numel() // max(cut.size, 1)
        # Of all ranks but the last ones, in elements.
        self.piece = cut.chunk * row
        self.local = cut.length * row
        self.numel = whole.numel()
        self.shard = None
        self.full = None
        self.offset = self.position = 0

    def pieces(self, flat, table):
        """Pairs of views: of the flat parameter, and of the table with a row of pieces for each rank."""
        whole = self.numel // max(self.piece, 1)
        middle = whole * self.piece
        if whole:
            yield (
                flat[:middle].view(whole, self.piece),
                table[:whole, self.position : self.position + self.piece],
            )
        rest = self.numel - middle
        if rest:
            yield flat[middle:], table[whole, self.position : self.position + rest]

    def of(self, flat):
        """The whole parameter in the unit's memory."""
        return flat[self.offset : self.offset + self.numel].view(self.shape).movedim(0, self.cut.dim)

    def flat(self, tensor):
        """A parameter, or a part of one, in the order of the unit's memory."""
        return tensor.movedim(self.cut.dim, 0).flatten()

    def part(self, flat):
        """The reverse for this rank's part."""
        return flat.view(self.cut.length, *self.shape[1:]).movedim(0, self.cut.dim).contiguous()

    def place(self, parameter):
        """Makes it the parameter that the modules see."""
        for module, name in self.places:
            module._parameters[name] = parameter


class Unit:
    """Parameters of one dtype, each cut along one dimension, dim_of(parameter), among the ranks of
    shard_group. The same cuts are in all ranks of replicate_group, if there is one, whose gradients are
    averaged as well."""

    def __init__(self, named, mesh, shard_group, replicate_group, dim_of, policy, offload):
        self.group, self.replicas, self.policy, self.offload = shard_group, replicate_group, policy, offload
        self.requires_sync = True
        self.on_reduced = None
        self._gathering = self._reducing = self._memory = self._memory_device = None
        self.is_whole = False
        self.dtype, self.mesh_type = named[0][1].dtype, mesh.device_type
        for _, parameter in named:
            if parameter.ndim == 0:
                raise ValueError("fully_shard: a parameter without dimensions cannot be cut; use shape (1,)")
            if parameter.dtype != self.dtype:
                raise _C.DTypeError(
                    f"fully_shard: parameters of one unit have dtypes {self.dtype} and {parameter.dtype}; "
                    "apply fully_shard to a module that has those of one dtype only"
                )
        self.compute_dtype = policy.param_dtype or self.dtype
        self.entries = [self._cut(places, p, mesh, dim_of(p)) for places, p in named]
        self._lay_out()
        self._make_full()

    def _cut(self, places, parameter, mesh, dim):
        whole = part_of(parameter)
        cut = Cut(self.group, dim, whole.shape[dim])
        placements = (Shard(dim),) if self.replicas is None else (Replicate(), Shard(dim))
        entry = _Entry(places, parameter, cut)
        with no_grad():
            entry.shard = divided(parameter, self._at_rest(cut.own(whole).contiguous()), mesh, placements)
        entry.place(entry.shard)
        return entry

    def _at_rest(self, part):
        """A copy, where parts lie between steps."""
        if self.offload is None or part.device.type == "meta":
            return part.clone()
        part = part.cpu() if part.is_cuda else part.clone()
        return part.pin_memory() if self.offload.pin_memory and self.mesh_type == "cuda" else part

    @property
    def device(self):
        """Where whole parameters are computed with."""
        here = self.entries[0].shard.device
        if self.offload is None or here.type != "cpu" or self.mesh_type != "cuda":
            return here
        return _C.device("cuda", cuda.current_device())

    def _take_place(self):
        device = self.device
        if device == self._memory_device:
            return
        if device.type == "meta":
            raise _C.DeviceError(
                "fully_shard: the parameters are on meta; give them memory by to_empty(device=...) and values"
            )
        self._memory, self._memory_device = memory_on(device, self._size, self.compute_dtype), device

    def _lay_out(self):
        size = taper.empty(0, dtype=self.compute_dtype).element_size()
        step, offset, position = _ALIGNMENT // size, 0, 0
        for entry in self.entries:
            entry.offset, entry.position = offset, position
            offset += -(-entry.numel // step) * step
            position += entry.piece
        self.traffic = position
        self._size = offset

    def _make_full(self):
        away = taper.empty(self._size, dtype=self.compute_dtype, device="meta")
        for entry in self.entries:
            entry.full = Parameter(entry.of(away), entry.shard.requires_grad)
            if not entry.shard.requires_grad:
                continue
            if entry.shard.partial_group is not None:
                entry.full.register_hook(_summed_over(entry.shard.partial_group))
            entry.full.register_post_accumulate_grad_hook(self._on_gradient)

    def start_gathering(self):
        """Begins to gather the parameters; finish_gathering waits for it."""
        if self.is_whole or self._gathering is not None:
            return
        self._take_place()
        with no_grad(), self._memory.gathering():
            own = taper.zeros(self.traffic, dtype=self.compute_dtype, device=self._memory_device)
            for entry in self.entries:
                if entry.local:
                    part = own[entry.position : entry.position + entry.local]
                    part.copy_(entry.flat(entry.shard._part), non_blocking=self.offload is not None)
            table = own.new_empty(self.group.size(), self.traffic)
            self._gathering = (self.group._all_gather_into_tensor(table, own, True), table)

    def gather(self):
        """Makes the whole parameters those of the modules."""
        if self.is_whole:
            return
        self.start_gathering()
        work, table = self._gathering
        self._gathering = None
        work.wait()
        with no_grad():
            flat = self._memory.fill(table)
            for entry in self.entries:
                for target, source in entry.pieces(flat[entry.offset : entry.offset + entry.numel], table):
                    target.copy_(source)
            self._memory.show(flat, self.entries)
        self.is_whole = True
        for entry in self.entries:
            entry.place(entry.full)

    def drop_gathering(self):
        """Forgets what start_gathering began: it is of parameters that a step may change."""
        gathering, self._gathering = self._gathering, None
        if gathering is not None:
            gathering[0].wait()

    def forget_backward(self):
        """Drops what a backward that raised left: gradients of whole parameters, and transfers."""
        reducing, self._reducing = self._reducing, None
        if reducing is not None:
            reducing[0].wait()
            self._memory.keep(None)
        self.drop_gathering()
        for entry in self.entries:
            entry.full.grad = None
        self.release()

    def release(self):
        """Makes the own parts the parameters of the modules, and gives the memory of the whole ones back."""
        if not self.is_whole:
            return
        self.is_whole = False
        for entry in self.entries:
            entry.place(entry.shard)
        self._memory.release(self.entries)

    def take_requirements(self):
        """requires_grad of the parts counts."""
        for entry in self.entries:
            if entry.full.requires_grad != entry.shard.requires_grad:
                entry.full.requires_grad_(entry.shard.requires_grad)

    def begin_backward(self):
        """How many gradients are waited for."""
        self._missing = sum(entry.full.requires_grad for entry in self.entries)

    @property
    def awaits_gradients(self):
        """Whether the backward has not come to all parameters yet."""
        return self._missing > 0

    def _on_gradient(self, parameter):
        self._missing -= 1
        if self._missing == 0:
            self.reduce()

    def reduce(self):
        """Begins to average the gradients that are there; each rank gets its parts."""
        here = [entry for entry in self.entries if entry.full.grad is not None]
        if self.on_reduced is not None:
            self.on_reduced(self)
        if not here or not self.requires_sync or self._reducing is not None:
            return
        with no_grad():
            dtype = self.policy.reduce_dtype or self.compute_dtype
            self._memory.keep(None)
            table = taper.zeros(self.group.size(), self.traffic, dtype=dtype, device=self._memory_device)
            for entry in here:
                for source, target in entry.pieces(entry.flat(entry.full.grad), table):
                    target.copy_(source)
                entry.full.grad = None
            own = table.new_empty(self.traffic)
            work = self.group._reduce_scatter_tensor(own, table, ReduceOp.AVG, True)
            self._memory.keep(table)
            if self.replicas is not None and own.is_cuda:
                with self._memory.reducing():
                    work.wait()
                    work = self.replicas._all_reduce(own, ReduceOp.AVG, True)
        self._reducing = (work, own, here)

    def finish_reducing(self):
        """The parts of the gradients go to .grad of the parts."""
        if self._reducing is None:
            return
        work, own, here = self._reducing
        self._reducing = None
        work.wait()
        self._memory.keep(None)
        if self.replicas is not None and not own.is_cuda:
            self.replicas._all_reduce(own, ReduceOp.AVG, False)
        with no_grad():
            for entry in here:
                shard = entry.shard
                part, before = own[entry.position : entry.position + entry.local], _GRAD.__get__(shard)
                part = entry.part(part).to(self.dtype)
                if part.device != shard.device:
                    part = part.to(shard.device)
                shard.grad = part.clone() if before is None else before.detach() + part


def _summed_over(group):
    def hook(gradient):
        total = gradient.clone()
        group._all_reduce(total, ReduceOp.SUM, False)
        return total

    return hook
