"""A unit of sharded parameters: gathered together before use, reduced together after backward."""

import functools

import taper
from taper import _C, cuda
from taper._grad_mode import no_grad
from taper.nn.parameter import Parameter

from ..collectives import ReduceOp
from ..tensor.cut import Cut
from ..tensor.dtensor import DTensor
from ..tensor.parameter import divided, part_of
from ..tensor.placement_types import Replicate, Shard
from .layout import Entry, Travel
from .memory import follow, memory_on

_GRAD = _C.Tensor.grad  # of this rank's part, a plain tensor
_ALIGNMENT = 64  # bytes, as the tensors of the library itself


class Unit:
    """Parameters of one dtype, each cut along one dimension, dim_of(parameter), among the ranks of
    shard_group. The same cuts are in all ranks of replicate_group, if there is one, whose gradients are
    averaged as well.

    requires_sync        whether backward reduces gradients, or accumulates whole ones
    requires_all_reduce  whether it does so over replicate_group, or accumulates this group's
    divide_factor        by which sums of gradients are divided, instead of the number of ranks
    all_reduce_hook      called with each reduced flat gradient
    """

    def __init__(self, named, mesh, shard_group, replicate_group, dim_of, policy, offload):
        self.group, self.replicas, self.policy, self.offload = shard_group, replicate_group, policy, offload
        self.requires_sync = self.requires_all_reduce = True
        self.divide_factor = self.all_reduce_hook = self.on_reduced = None
        self._gathering = self._reducing = self._kept = self._partial = None
        self.is_whole, self._missing = False, 0
        self.mesh_type = mesh.device_type
        self.entries = [self._cut(places, p, mesh, dim_of(p)) for places, p in named]
        self._travel = Travel(self.entries, self.group)
        self._take_dtype()

    def _cut(self, places, parameter, mesh, dim):
        whole = part_of(parameter)
        cut = Cut(self.group, dim, whole.shape[dim])
        placements = (Shard(dim),) if self.replicas is None else (Replicate(), Shard(dim))
        entry = Entry(places, whole, cut)
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
        if device != self._memory_device:
            self._memory = memory_on(device, self._size, self.compute_dtype)
            self._memory_device = device

    def _take_dtype(self):
        """Lays the unit out for the dtype that the parts have now."""
        self.dtype = self.entries[0].shard.dtype
        wanted = self.policy.param_dtype if self.dtype.is_floating_point else None
        self.compute_dtype = wanted or self.dtype
        step = _ALIGNMENT // taper.empty(0, dtype=self.compute_dtype).element_size()
        self._size, self._memory, self._memory_device = 0, None, None
        for entry in self.entries:
            entry.offset = self._size
            self._size += -(-entry.numel // step) * step
        away = taper.empty(self._size, dtype=self.compute_dtype, device="meta")
        for entry in self.entries:
            entry.full = Parameter(entry.of(away), entry.shard.requires_grad)
            if not entry.shard.requires_grad:
                continue
            if entry.shard.partial_group is not None:
                entry.full.register_hook(_summed_over(entry.shard.partial_group))
            entry.full.register_post_accumulate_grad_hook(self._on_gradient)

    def begin(self):
        """Before a forward: what an earlier pass left whole may be out of date, and parts may be others."""
        self.release()
        self._kept = None
        for entry in self.entries:
            other = entry.replaced()
            if other is not None:
                self._adopt(entry, other)
        dtypes = {entry.shard.dtype for entry in self.entries}
        if dtypes != {self.dtype}:
            if len(dtypes) > 1:
                raise _C.DTypeError(
                    f"fully_shard: parameters of one unit became of different dtypes: {dtypes}"
                )
            self._take_dtype()
        for entry in self.entries:  # requires_grad of the parts counts
            if entry.full.requires_grad != entry.shard.requires_grad:
                entry.full.requires_grad_(entry.shard.requires_grad)

    def _adopt(self, entry, other):
        """Goes on with the DTensor that a module was given instead of a part, laid out as the part was."""
        shard = entry.shard
        if not isinstance(other, DTensor) or other.shape != shard.shape:
            module, name = entry.places[0]
            raise RuntimeError(
                f"fully_shard: the parameter {name!r} of {type(module).__name__} was replaced by a "
                f"{type(other).__name__} of shape {tuple(other.shape)}; expected a DTensor of shape "
                f"{tuple(shard.shape)}"
            )
        if other.placements != shard.placements:
            part = shard._part_of(other).contiguous()
            other.placements, other.device_mesh = shard.placements, shard.device_mesh
            other.data = part
        other.partial_group = shard.partial_group
        entry.shard = other
        entry.place(other)

    def start_gathering(self):
        """Begins to gather the parameters; gather waits for it."""
        if self.is_whole or self._gathering is not None:
            return
        self._take_place()
        if self._kept is not None:
            follow({self._memory_device})
        with no_grad(), self._memory.gathering():
            travel, own = self._kept or (self._travel, self._packed())
            table = own.new_empty(travel.group.size(), travel.size)
            begin = functools.partial(travel.group._all_gather_into_tensor, table, own, True)
            work = begin() if self._kept is None else self._memory.in_turn(travel.group, begin)
            self._gathering = work, travel, table, own

    def _packed(self):
        own = taper.zeros(self._travel.size, dtype=self.compute_dtype, device=self._memory_device)
        for entry in self.entries:
            if entry.cut.length:
                part = self._travel.own(entry, own)
                part.copy_(entry.flat(entry.shard._part), non_blocking=self.offload is not None)
        return own

    def gather(self):
        """Makes the whole parameters those of the modules."""
        if self.is_whole:
            return
        self.start_gathering()
        work, travel, table, _ = self._gathering
        self._gathering = self._kept = None
        work.wait()
        with no_grad():
            flat = self._memory.fill(table)
            for entry in self.entries:
                part = flat[entry.offset : entry.offset + entry.numel]
                for target, source in travel.pieces(entry, part, table):
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
        self._partial = None
        for entry in self.entries:
            entry.full.grad = entry.accumulated = None
        self.release()

    def release(self, smaller=None):
        """Makes the own parts the parameters of the modules, and gives the memory of the whole ones back. Of
        a smaller group this rank keeps its piece, to gather them from there next time."""
        if not self.is_whole:
            return
        if smaller is not None:
            self._keep(smaller)
        self.is_whole = False
        for entry in self.entries:
            entry.place(entry.shard)
        self._memory.release(self.entries)

    def _keep(self, group):
        travel = Travel(self.entries, group)
        with no_grad():
            own = taper.zeros(travel.size, dtype=self.compute_dtype, device=self._memory_device)
            for entry in self.entries:
                travel.own(entry, own).copy_(travel.own_of(entry, entry.flat(entry.full.detach())))
        self._kept = travel, own

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

    @property
    def _operation(self):
        return ReduceOp.AVG if self.divide_factor is None else ReduceOp.SUM

    def reduce(self):
        """Begins to average the gradients that are there; each rank gets its parts."""
        if self.on_reduced is not None:
            self.on_reduced(self)
        here = [e for e in self.entries if e.full.grad is not None or e.accumulated is not None]
        if not here or self._reducing is not None:
            return
        with no_grad():
            dtype = self.policy.reduce_dtype or self.compute_dtype
            if not self.requires_sync:
                if dtype != self.compute_dtype:
                    self._accumulate(here, dtype)
                return
            self._memory.keep(None)
            table = taper.zeros(self.group.size(), self._travel.size, dtype=dtype, device=self._memory_device)
            for entry in here:
                gradient = self._gradient(entry)
                for source, target in self._travel.pieces(entry, entry.flat(gradient), table):
                    target.copy_(source)
            own = table.new_empty(self._travel.size)
            begin = functools.partial(self.group._reduce_scatter_tensor, own, table, self._operation, True)
            work = self._memory.in_turn(self.group, begin)
            self._memory.keep(table)
            if self.replicas is not None and self.requires_all_reduce and own.is_cuda:
                with self._memory.reducing():
                    work.wait()
                    work = self._over_replicas(own, True)
        self._reducing = (work, own, here)

    def _gradient(self, entry):
        """What backward accumulated, which is taken away."""
        gradient, earlier = entry.full.grad, entry.accumulated
        entry.full.grad = entry.accumulated = None
        if earlier is None:
            return gradient
        return earlier if gradient is None else earlier + gradient

    def _accumulate(self, entries, dtype):
        """Whole gradients are summed in the dtype in which they will be averaged."""
        for entry in entries:
            if entry.full.grad is not None:
                entry.accumulated = self._gradient(entry).to(dtype)

    def _over_replicas(self, own, is_async):
        if self._partial is not None:
            own.add_(self._partial)
            self._partial = None
        return self.replicas._all_reduce(own, self._operation, is_async)

    def finish_reducing(self):
        """The parts of the gradients go to .grad of the parts."""
        if self._reducing is None:
            return
        work, own, here = self._reducing
        self._reducing = None
        work.wait()
        self._memory.keep(None)
        with no_grad():
            if self.replicas is not None and not self.requires_all_reduce:
                self._partial = own if self._partial is None else self._partial.add_(own)
                return
            if self.replicas is not None and not own.is_cuda:
                self._over_replicas(own, False)
            if self.all_reduce_hook is not None:
                self.all_reduce_hook(own)
            if self.divide_factor is not None:
                own.div_(self.divide_factor)
            for entry in here:
                self._add_gradient(entry, self._travel.own(entry, own))

    def _add_gradient(self, entry, flat):
        shard = entry.shard
        part, before = entry.part(flat).to(self.dtype), _GRAD.__get__(shard)
        if part.device != shard.device:
            part = part.to(shard.device)
        shard.grad = part.clone() if before is None else before.detach() + part
        shard.gradient_is_there()


def _summed_over(group):
    def hook(gradient):
        total = gradient.clone()
        group._all_reduce(total, ReduceOp.SUM, False)
        return total

    return hook
