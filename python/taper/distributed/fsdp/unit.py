"""A unit of sharded parameters: gathered together before use, reduced together after backward."""

import mmap

import numpy

import taper
from taper import _C
from taper._grad_mode import no_grad
from taper.nn.parameter import Parameter

from ..collectives import ReduceOp
from ..tensor.sharded import Cut, ShardedParameter

_ALIGNMENT = 64  # bytes, as the tensors of the library itself


def _over(memory, dtype):
    """A tensor over memory, with a version of its own."""
    name = str(dtype).split(".")[-1]
    flat = _C.from_numpy(numpy.frombuffer(memory, dtype={"bfloat16": "int16"}.get(name, name)))
    return flat.view(dtype) if name == "bfloat16" else flat


class _Entry:
    """One parameter: where it lies in the unit's memory and in what travels."""

    def __init__(self, places, parameter, cut):
        self.places, self.cut = places, cut
        self.shape = parameter.shape
        row = parameter.numel() // max(cut.size, 1)
        # Of all ranks but the last ones, in elements.
        self.piece = cut.chunk * row
        self.local = cut.length * row
        self.numel = parameter.numel()
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

    def place(self, parameter):
        """Makes it the parameter that the modules see."""
        for module, name in self.places:
            module._parameters[name] = parameter


class Unit:
    """Parameters of one dtype, each cut along its first dimension among the ranks of shard_group. The same
    cuts are in all ranks of replicate_group, if there is one, whose gradients are averaged as well."""

    def __init__(self, named, mesh, shard_group, replicate_group, placements, policy):
        self.group, self.replicas, self.policy = shard_group, replicate_group, policy
        self.requires_sync = True
        self.on_reduced = None
        self._gathering = self._reducing = None
        self.is_whole = False
        self.dtype = named[0][1].dtype
        for places, parameter in named:
            if parameter.ndim == 0:
                raise ValueError("fully_shard: a parameter without dimensions cannot be cut; use shape (1,)")
            if parameter.is_cuda:
                raise _C.DeviceError(
                    f"fully_shard: a parameter is on {parameter.device}; sharded parameters live in main "
                    "memory. Use DistributedDataParallel or ZeroRedundancyOptimizer on CUDA devices"
                )
            if parameter.dtype != self.dtype:
                raise _C.DTypeError(
                    f"fully_shard: parameters of one unit have dtypes {self.dtype} and {parameter.dtype}; "
                    "apply fully_shard to a module that has those of one dtype only"
                )
        self.compute_dtype = policy.param_dtype or self.dtype
        self.entries = [self._cut(places, p, mesh, placements) for places, p in named]
        self._lay_out()
        self._make_full()

    def _cut(self, places, parameter, mesh, placements):
        cut = Cut(self.group, 0, parameter.shape[0])
        entry = _Entry(places, parameter, cut)
        with no_grad():
            entry.shard = ShardedParameter(
                cut.own(parameter.data).clone(),
                parameter.requires_grad,
                (cut, *getattr(parameter, "cuts", ())),
                mesh,
                (*placements, *getattr(parameter, "placements", ())),
                getattr(parameter, "partial_group", None),
            )
        entry.place(entry.shard)
        return entry

    def _lay_out(self):
        size = taper.empty(0, dtype=self.compute_dtype).element_size()
        step, offset, position = _ALIGNMENT // size, 0, 0
        for entry in self.entries:
            entry.offset, entry.position = offset, position
            offset += -(-entry.numel // step) * step
            position += entry.piece
        self.traffic = position
        # Private pages: given back to the system while the parameters are away, at the same address, so that
        # what autograd saved is right again once they are gathered again.
        self._memory = mmap.mmap(-1, max(offset * size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._window = _over(self._memory, self.compute_dtype)

    def _make_full(self):
        seen = _over(self._memory, self.compute_dtype)
        for entry in self.entries:
            view = seen[entry.offset : entry.offset + entry.numel].view(entry.shape)
            entry.full = Parameter(view, entry.shard.requires_grad)
            if not entry.shard.requires_grad:
                continue
            if entry.shard.partial_group is not None:
                entry.full.register_hook(_summed_over(entry.shard.partial_group))
            entry.full.register_post_accumulate_grad_hook(self._on_gradient)

    def start_gathering(self):
        """Begins to gather the parameters; finish_gathering waits for it."""
        if self.is_whole or self._gathering is not None:
            return
        with no_grad():
            own = taper.zeros(self.traffic, dtype=self.compute_dtype)
            for entry in self.entries:
                if entry.local:
                    own[entry.position : entry.position + entry.local].copy_(entry.shard.data.flatten())
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
            for entry in self.entries:
                flat = self._window[entry.offset : entry.offset + entry.numel]
                for target, source in entry.pieces(flat, table):
                    target.copy_(source)
        self.is_whole = True
        for entry in self.entries:
            entry.place(entry.full)

    def drop_gathering(self):
        """Forgets what start_gathering began: it is of parameters that a step may change."""
        if self._gathering is not None:
            self._gathering[0].wait()
            self._gathering = None

    def release(self):
        """Makes the own parts the parameters of the modules, and gives the memory of the whole ones back."""
        if not self.is_whole:
            return
        self.is_whole = False
        for entry in self.entries:
            entry.place(entry.shard)
        self._memory.madvise(mmap.MADV_DONTNEED)

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
            table = taper.zeros(self.group.size(), self.traffic, dtype=dtype)
            for entry in here:
                for source, target in entry.pieces(entry.full.grad.flatten(), table):
                    target.copy_(source)
                entry.full.grad = None
            own = table.new_empty(self.traffic)
            work = self.group._reduce_scatter_tensor(own, table, ReduceOp.AVG, True)
        self._reducing = (work, own, here)

    def finish_reducing(self):
        """The parts of the gradients go to .grad of the parts."""
        if self._reducing is None:
            return
        work, own, here = self._reducing
        self._reducing = None
        work.wait()
        if self.replicas is not None:
            self.replicas._all_reduce(own, ReduceOp.AVG, False)
        with no_grad():
            for entry in here:
                shard = entry.shard
                part = own[entry.position : entry.position + entry.local].view(shard.shape).to(self.dtype)
                shard.grad = part.clone() if shard.grad is None else shard.grad.data + part


def _summed_over(group):
    def hook(gradient):
        total = gradient.clone()
        group._all_reduce(total, ReduceOp.SUM, False)
        return total

    return hook
