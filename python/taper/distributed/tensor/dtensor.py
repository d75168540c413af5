"""DTensor: a tensor that lies on the ranks of a mesh, of which this process holds a part."""

import threading
from dataclasses import dataclass, replace

import taper
from taper import _C
from taper._grad_mode import no_grad
from taper.overrides import DisableTorchFunctionSubclass

from ..collectives import broadcast
from ..device_mesh import DeviceMesh
from .by_parts import _is_sum, way_of
from .cut import Cut
from .moves import REDUCTIONS, Enter, Extreme, First, Own, Reduced, Scattered, Term, Whole
from .placement_types import Partial, Placement, Replicate, Shard, _StridedShard


class _Modes(threading.local):
    replicates = False


modes = _Modes()


@dataclass(frozen=True)
class TensorMeta:
    """Of the whole tensor."""

    shape: object
    stride: tuple
    dtype: object


@dataclass(frozen=True)
class DTensorSpec:
    """How a DTensor lies."""

    mesh: DeviceMesh
    placements: tuple
    tensor_meta: TensorMeta


class DTensor(_C.Tensor):
    """Of the whole tensor of shape `shape`, the part of this rank. It is made by distribute_tensor and
    from_local.

    device_mesh  the ranks
    placements   along each dimension of the mesh: Shard(dim), Replicate() or Partial()

    Elementwise operations, matrix products, sums, means and reductions along what is not divided,
    transposes, views, indexing, what works along some dimensions (by_dims.py), norms, embeddings,
    convolutions, pooling and attention of a divided batch are done part by part where their operands allow
    it (by_parts.py). All others gather their operands first, so their results are whole on all ranks
    (Replicate): right for any operation, and as costly as that sounds. What is drawn is what one process
    would draw. Gradients lie as their tensors do (of what is Partial, Replicate); `grad` of a leaf is this
    rank's part."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        own = [x for x in _flat((args, kwargs)) if isinstance(x, DTensor)]
        if modes.replicates:
            args, kwargs = _mapped((args, kwargs), lambda x: _replicated(x, own[0].device_mesh), _C.Tensor)
            own = [x for x in _flat((args, kwargs)) if isinstance(x, DTensor)]
        if any(x.device_mesh is not own[0].device_mesh and x.device_mesh != own[0].device_mesh for x in own):
            raise RuntimeError(f"{func.__name__}: the DTensors lie on different meshes; redistribute one")
        for other in _flat((args, kwargs)):
            if isinstance(other, _C.Tensor) and not isinstance(other, DTensor) and other.ndim:
                raise RuntimeError(
                    f"{func.__name__}: got a plain tensor of shape {tuple(other.shape)} beside a DTensor; "
                    "make it one with distribute_tensor, or take the DTensor's to_local() or full_tensor()"
                )
        name, mesh = func.__name__, own[0].device_mesh
        if name == "linear" and (bias := args[2] if len(args) > 2 else kwargs.get("bias")) is not None:
            return func(*args[:2]) + bias
        if name in ("addmm", "baddbmm") and not kwargs and len(args) == 3:
            return args[0] + args[1] @ args[2]
        if name in _DRAWN or name == "dropout":
            return _drawn(func, *args, **kwargs)
        writes = name.endswith("_") and not name.startswith("__") or name in _WRITING
        way = way_of(func, args, kwargs, own)
        if writes and (
            way is None or (tuple(way.placements), way.shape) != (own[0].placements, own[0].shape)
        ):
            return _write(func, args, kwargs)
        with DisableTorchFunctionSubclass():
            if way is None:
                whole = [Replicate()] * mesh.ndim
                args, kwargs = _gathered((args, kwargs), whole)
                return _wrap(func(*args, **kwargs), mesh, whole)
            if writes or all(isinstance(p, Replicate) for x in own for p in x.placements):
                parts = dict(zip(map(id, own), own))
            else:
                parts = {id(x): _entering(x, to, way.placements) for x, to in zip(own, way.targets)}
            if writes:
                parts.update({id(x): _moved(x, to) for x, to in zip(own[1:], way.targets[1:])})
            args, kwargs = _mapped(way.arguments, lambda x: parts[id(x)])
            return _wrap((way.function or func)(*args, **kwargs), mesh, way.placements, way.shape)

    @staticmethod
    def from_local(local_tensor, device_mesh, placements=None, *, run_check=False, shape=None, stride=None):
        """The tensor of which the ranks hold these parts. Without shape, all ranks' parts along a Shard must
        be of one size. run_check: what is to be Replicate becomes the first rank's."""
        if isinstance(local_tensor, DTensor) or not isinstance(local_tensor, _C.Tensor):
            raise RuntimeError(
                f"DTensor.from_local: expected a plain tensor, got a {type(local_tensor).__name__}"
            )
        placements = _normal(placements, device_mesh, local_tensor.ndim)
        if run_check:
            local_tensor = First.apply(local_tensor, device_mesh, placements)
        if shape is None:
            shape = list(local_tensor.shape)
            for dim, placement in enumerate(placements):
                if isinstance(placement, Shard):
                    shape[placement.dim] *= device_mesh.size(dim)
        _check_local(local_tensor, device_mesh, placements, shape)
        with DisableTorchFunctionSubclass():
            part = local_tensor.view(local_tensor.shape)
            for kind in {p.reduce_op for p in placements if isinstance(p, Partial)} & {"max", "min"}:
                dims = [dim for dim, p in enumerate(placements) if p == Partial(kind)]
                part = Extreme.apply(part, [device_mesh.get_group(dim) for dim in dims], kind)
            return _wrap(part, device_mesh, placements, shape)

    def to_local(self, *, grad_placements=None):
        """This rank's part, a plain tensor with the same history. grad_placements: how the gradients that
        come to it lie; Partial where ranks that have the same compute different things with it."""
        with DisableTorchFunctionSubclass():
            part = self.view(self._local_shape).as_subclass(_C.Tensor)
            if grad_placements is None:
                return part
            coming = _normal(grad_placements, self.device_mesh, self.ndim)
            for dim, (placement, grad) in enumerate(zip(self.placements, coming)):
                if isinstance(placement, Replicate) and grad == Partial():
                    part = Enter.apply(part, self.device_mesh.get_group(dim))
                elif grad != placement and not isinstance(placement, Partial):
                    raise _C.NotImplementedError(
                        f"DTensor.to_local: gradients that lie as {grad} of a tensor that lies as {placement}"
                    )
            return part

    def redistribute(
        self, device_mesh=None, placements=None, *, async_op=False, forward_dtype=None, backward_dtype=None
    ):
        """The same tensor, lying otherwise; all ranks of the mesh call it. forward_dtype: to which it is cast
        before. To Partial only from Shard. backward_dtype changes nothing: gradients have the dtype of what
        they belong to."""
        if device_mesh is not None and device_mesh != self.device_mesh:
            raise ValueError("DTensor.redistribute: to another mesh is not supported")
        if placements is None:
            raise RuntimeError("DTensor.redistribute: placements is needed")
        target = _normal(placements, self.device_mesh, len(self.shape))
        for placement, to in zip(self.placements, target):
            if isinstance(to, Partial) and to != placement and not (to == Partial() and placement.is_shard()):
                raise RuntimeError(f"DTensor.redistribute: a tensor cannot go from {placement!r} to {to!r}")
        source = self if forward_dtype is None else self.to(forward_dtype)
        with DisableTorchFunctionSubclass():
            return _wrap(_moved(source, target), self.device_mesh, target, self.shape)

    def full_tensor(self, *, grad_placements=None):
        """The whole, a plain tensor; all ranks of the mesh call it."""
        whole = self.redistribute(placements=[Replicate()] * self.device_mesh.ndim)
        return whole.to_local(grad_placements=grad_placements)

    def detach(self):
        """The same memory, outside of the graph."""
        return self._like(self._part)

    def _check_saved(self):
        """taper.save asks here, as a file would hold this rank's part only."""
        if not all(placement.is_replicate() for placement in self.placements):
            raise TypeError(
                f"save: a DTensor of placements {self.placements} is not whole on this rank; save its "
                "full_tensor(), or its part, to_local(), or a checkpoint by taper.distributed.checkpoint"
            )

    @property
    def _local_tensor(self):
        """_part, by PyTorch's name."""
        return self._part

    @property
    def _spec(self):
        """How it lies, as PyTorch's modules read it."""
        return DTensorSpec(
            self.device_mesh, self.placements, TensorMeta(self.shape, self.stride(), self.dtype)
        )

    @property
    def _part(self):
        """This rank's part, a plain tensor in the same memory, outside of the graph."""
        return _C.Tensor.data.__get__(self)

    @property
    def _offset(self):
        """Where this part begins in the whole, by dimension."""
        start = [0] * self.ndim
        for _, cut in cuts_of(self.shape, self.placements, self.device_mesh):
            start[cut.dim] += cut.start
        return tuple(start)

    def _like(self, part):
        """The tensor with another part, which lies as this one."""
        return _wrap(part, self.device_mesh, self.placements, self.shape)

    def _gradient(self, part):
        """Its gradient, of which this is the rank's part."""
        places = [Replicate() if isinstance(p, Partial) else p for p in self.placements]
        return _wrap(part, self.device_mesh, places, self.shape)

    def _own_part(self, whole):
        """This rank's part of a tensor of the same shape that all ranks have: a view."""
        for _, cut in cuts_of(self.shape, self.placements, self.device_mesh):
            whole = cut.own(whole)
        return whole

    def _part_of(self, saved):
        """This rank's part of what a state dictionary has: a DTensor, a whole tensor, or the part itself."""
        if saved.shape != self.shape:
            return saved
        if isinstance(saved, DTensor):
            with no_grad():
                return saved.redistribute(placements=self.placements)._part
        return self._own_part(saved)

    def _described(self, value):
        """What state_dict() of an optimizer has for an entry of the state of this parameter: a DTensor where
        it lies like the parameter."""
        plain = isinstance(value, _C.Tensor) and not isinstance(value, DTensor) and value.ndim > 0
        return self._like(value.detach()) if plain and value.shape == self._local_shape else value

    @property
    def data(self):
        """detach(); what is set is this rank's part."""
        return self.detach()

    @data.setter
    def data(self, value):
        _C.Tensor.data.__set__(self, value)

    def as_registered(self, requires_grad):
        """What nn.Parameter makes of it."""
        from .parameter import DTensorParameter

        return DTensorParameter(self, requires_grad)

    @property
    def shape(self):
        """Of the whole."""
        return self._shape

    @property
    def _local_shape(self):
        return _C.Tensor.shape.__get__(self)

    def size(self, dim=None):
        """Of the whole."""
        return self._shape if dim is None else self._shape[dim]

    def stride(self, dim=None):
        """Of the whole, if its dimensions lay in the order of this part's."""
        steps, step = [0] * self.ndim, 1
        local = self._part.stride()
        for place in sorted(range(self.ndim), key=lambda place: (local[place], -place)):
            steps[place] = step
            step *= max(self._shape[place], 1)
        return tuple(steps) if dim is None else steps[dim]

    def numel(self):
        """Of the whole."""
        return self._shape.numel()

    def dim(self):
        """How many dimensions it has."""
        return len(self._shape)

    nelement = numel
    nbytes = property(lambda self: self.numel() * self.element_size())
    ndim = property(dim)
    T = property(lambda self: self.permute(*range(self.ndim)[::-1]))
    mT = property(lambda self: self.transpose(-2, -1))

    @property
    def grad(self):
        """It lies as the tensor does."""
        grad = _C.Tensor.grad.__get__(self)
        return None if grad is None else self._gradient(grad)

    @grad.setter
    def grad(self, value):
        _C.Tensor.grad.__set__(self, value)

    def is_pinned(self, device=None):
        """Whether this rank's part is in page-locked memory."""
        return self._part.is_pinned()

    def item(self):
        """The value of a tensor of one element."""
        return self.full_tensor().item()

    def tolist(self):
        """The values of the whole."""
        return self.full_tensor().tolist()

    def numpy(self, *, force=False):
        """The values of the whole; a copy."""
        return self.full_tensor().numpy(force=force)

    def __array__(self, dtype=None, copy=None):
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __bool__(self):
        return bool(self.full_tensor())

    def __int__(self):
        return int(self.full_tensor())

    def __float__(self):
        return float(self.full_tensor())

    def __iter__(self):
        return iter(self.unbind(0))

    def __len__(self):
        return self._shape[0]

    def __repr__(self):
        local, mesh, placements = self.to_local(), self.device_mesh, self.placements
        return f"DTensor(local_tensor={local}, device_mesh={mesh}, placements={placements})"

    def __reduce_ex__(self, protocol):
        raise _C.NotImplementedError("DTensor: save its full_tensor(), or to_local()")

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = self._like(self._part.clone()).requires_grad_(self.requires_grad)
        return memo[id(self)]


_WRITING = ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__setitem__")


def _flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _mapped(value, change, kind=DTensor):
    if isinstance(value, dict):
        return {key: _mapped(item, change, kind) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, _C.Size):
        return type(value)(_mapped(item, change, kind) for item in value)
    return change(value) if isinstance(value, kind) else value


def _replicated(x, mesh):
    return x if isinstance(x, DTensor) or not x.ndim else DTensor.from_local(x, mesh)


def _gathered(value, whole):
    return _mapped(value, lambda x: _moved(x, whole).as_subclass(_C.Tensor))


def _has(placements, kind):
    return any(isinstance(placement, kind) for placement in placements)


def _wrap(value, mesh, placements, shape=None):
    """value, or the tensors in it, as DTensors."""
    if isinstance(value, (list, tuple)) and not isinstance(value, _C.Size):
        shapes = shape if isinstance(shape, list) else [None] * len(value)
        items = [_wrap(item, mesh, placements, size) for item, size in zip(value, shapes, strict=True)]
        return getattr(type(value), "_make", type(value))(items)
    if not isinstance(value, _C.Tensor):
        return value
    if type(value) is not DTensor:
        value = value.as_subclass(DTensor)
    value.device_mesh, value.placements = mesh, tuple(placements)
    if shape is not None and None in shape:
        shape = [own if size is None else size for size, own in zip(shape, value._local_shape)]
    value._shape = _C.Size(value._local_shape if shape is None else shape)
    return value


def _normal(placements, mesh, ndim):
    """One placement for each dimension of the mesh, with dimensions from 0."""
    if not isinstance(mesh, DeviceMesh):
        raise TypeError(f"DTensor: device_mesh must be a DeviceMesh, got {mesh!r}")
    placements = [Replicate()] * mesh.ndim if placements is None else list(placements)
    if len(placements) != mesh.ndim or not all(isinstance(p, Placement) for p in placements):
        raise ValueError(
            f"DTensor: placements must be Shard, Replicate or Partial for each of the {mesh.ndim} "
            f"dimensions of the mesh, got {placements}"
        )
    for place, placement in enumerate(placements):
        if isinstance(placement, Partial) and placement.reduce_op not in REDUCTIONS:
            raise _C.NotImplementedError(f"DTensor: {placement}; supported are {', '.join(REDUCTIONS)}")
        if isinstance(placement, Shard):
            if not -ndim <= placement.dim < ndim:
                raise ValueError(f"DTensor: {placement} of a tensor with {ndim} dimensions")
            placements[place] = replace(placement, dim=placement.dim % ndim)
    return tuple(placements)


def _check_local(part, mesh, placements, shape):
    """Whether this rank's part is as large as its share of shape."""
    sizes = list(shape)
    for _, cut in cuts_of(shape, placements, mesh):
        sizes[cut.dim] = cut.length
    if sizes != list(part.shape):
        raise ValueError(
            f"DTensor.from_local: got a part of shape {tuple(part.shape)}; of {tuple(shape)} that lies as "
            f"{placements} this rank has {tuple(sizes)}"
        )


def _steps(shape, placements, mesh):
    """(dimension of the mesh, its placement, the Cut of a Shard or None), in the order of cutting."""
    sizes = list(shape)
    # What is strided cuts what others cut before.
    for dim in sorted(range(mesh.ndim), key=lambda dim: isinstance(placements[dim], _StridedShard)):
        placement, cut = placements[dim], None
        if isinstance(placement, Shard):
            cut = Cut(mesh.get_group(dim), placement.dim, sizes[placement.dim])
            sizes[placement.dim] = cut.length
        yield dim, placement, cut


def cuts_of(shape, placements, mesh):
    """(dimension of the mesh, Cut), in the order of cutting."""
    return [(dim, cut) for dim, _, cut in _steps(shape, placements, mesh) if cut]


def _entering(x, target, result):
    """The part of x for an operation whose result lies as `result` says."""
    part = _moved(x, target)
    for dim, (placement, out) in enumerate(zip(target, result)):
        if isinstance(placement, Replicate) and not isinstance(out, Replicate):
            kind = "avg" if out == Partial("avg") else "sum"
            part = Enter.apply(part, x.device_mesh.get_group(dim), kind)
    return part


def _moved(x, target):
    """The local part of DTensor x if it lay as target says."""
    mesh, part = x.device_mesh, x.view(x._local_shape).as_subclass(_C.Tensor)
    if x.placements == tuple(target):
        return part
    before, after = (list(_steps(x.shape, layout, mesh)) for layout in (x.placements, target))
    while before and before[0][:2] == after[0][:2]:
        del before[0], after[0]
    if (
        len(before) == 1
        and _is_sum(before[0][1])
        and (cut := after[0][2])
        and cut.size % mesh.size(before[0][0]) == 0
    ):
        return Scattered.apply(part, cut, before[0][1].reduce_op)
    for dim, placement, cut in reversed(before):
        if cut:
            part = Whole.apply(part, cut)
        elif isinstance(placement, Partial):
            part = Reduced.apply(part, mesh.get_group(dim), placement.reduce_op)
    for dim, placement, cut in after:
        if placement == Partial():
            part = Term.apply(part, mesh.get_group(dim))
        elif cut:
            part = Own.apply(part, cut)
    return part


_DRAWING = "bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_".split()


def _write(func, args, kwargs):
    """An operation in place on the whole of its first operand; each rank keeps its part."""
    target, mesh = args[0], args[0].device_mesh
    if _has(target.placements, Partial):
        raise RuntimeError(
            f"DTensor.{func.__name__}: in place on what lies as {target.placements}; redistribute it first"
        )
    if not isinstance(target, DTensor) or (target.requires_grad and _C.is_grad_enabled()):
        raise _C.NotImplementedError(
            f"DTensor.{func.__name__}: with gradients in place only where it is elementwise and the operands "
            "lie as the result"
        )
    draws, everywhere = func.__name__ in _DRAWING, [Replicate()] * mesh.ndim
    with DisableTorchFunctionSubclass():
        if draws:
            whole = taper.empty(target.shape, dtype=target.dtype, device=target.device)
        else:
            whole = _moved(target, everywhere)
        func(whole, *_gathered(args[1:], everywhere), **_gathered(kwargs, everywhere))
        part = target._own_part(whole).contiguous()
        for dim, placement in enumerate(target.placements):
            # Ranks may be seeded differently.
            if draws and isinstance(placement, Replicate):
                broadcast(part, group=mesh.get_group(dim), group_src=0)
        target._part.copy_(part)
    return target


# Functions that draw, and the method that draws in place.
_DRAWN = {"rand_like": "uniform_", "randn_like": "normal_"}


def _drawn(func, x, *args, **kwargs):
    """dropout, rand_like and randn_like: what one process would draw, divided as x is."""
    places = [Replicate() if isinstance(p, Partial) else p for p in x.placements]
    if func.__name__ in _DRAWN:
        result = taper.empty_like(x.detach(), *args, **kwargs)
        getattr(result.detach(), _DRAWN[func.__name__])()
        return result
    options = {**dict(zip(("p", "training", "inplace"), args)), **kwargs}
    p = options.get("p", 0.5)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not options.get("training", True) or p == 0:
        return x if options.get("inplace") else x.clone()
    kept = _wrap(taper.zeros_like(x._part), x.device_mesh, places, x.shape)
    kept = kept.bernoulli_(1 - p) / (1 - p) if p < 1 else kept
    return x.mul_(kept) if options.get("inplace") else x * kept


def distribute_tensor(tensor, device_mesh=None, placements=None, *, src_data_rank=0):
    """The tensor of group rank src_data_rank, laid out on the mesh: a leaf, as tensor is one. With
    src_data_rank=None all ranks have the same tensor already, and nothing is sent."""
    if isinstance(tensor, DTensor):
        if device_mesh != tensor.device_mesh:
            raise ValueError(
                f"Cannot distribute a DTensor with device mesh {tensor.device_mesh} to a different device "
                f"mesh {device_mesh}."
            )
        if _normal(placements, device_mesh, tensor.ndim) != tensor.placements:
            raise ValueError(
                f"Cannot distribute a DTensor with placements {tensor.placements} to a different placements "
                f"{placements}. do you want to call `redistribute` instead?"
            )
        return tensor
    if not tensor.is_leaf:
        raise RuntimeError(
            "`distribute_tensor` should be used to distribute leaf tensors! but found non-leaf tensor!"
        )
    placements = _normal(placements, device_mesh, tensor.ndim)
    part = tensor.detach().clone().as_subclass(_C.Tensor)
    if src_data_rank is not None:
        for dim in range(device_mesh.ndim):
            broadcast(part, group=device_mesh.get_group(dim), group_src=src_data_rank)
    for dim, placement, cut in _steps(tensor.shape, placements, device_mesh):
        if cut:
            part = cut.own(part).contiguous().clone()
        elif placement == Partial():
            part = Term.apply(part, device_mesh.get_group(dim))
    return _wrap(part, device_mesh, placements, tensor.shape).requires_grad_(tensor.requires_grad)


def _laid(shape, fill, requires_grad=False, device_mesh=None, placements=None, **options):
    """A tensor of which each rank makes its part; fill writes it."""
    placements = _normal(placements, device_mesh, len(shape))
    local = list(shape)
    for _, cut in cuts_of(shape, placements, device_mesh):
        local[cut.dim] = cut.length
    made = _wrap(taper.empty(local, **options), device_mesh, placements, shape)
    return fill(made).requires_grad_(requires_grad)


def _filled(x, value):
    """x, of which all parts, also those of a sum, become value."""
    x._part.fill_(value)
    return x


def _from(name, fill):
    def function(*size, **options):
        return _laid(
            tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size, fill, **options
        )

    function.__name__ = name
    function.__doc__ = f"taper.{name}(size) laid out on device_mesh; each rank makes its part."
    return function


empty = _from("empty", lambda x: x)
ones = _from("ones", lambda x: _filled(x, 1))
zeros = _from("zeros", lambda x: _filled(x, 0))
rand = _from("rand", lambda x: x.uniform_())
randn = _from("randn", lambda x: x.normal_())


def full(size, fill_value, **options):
    """taper.full(size, fill_value) laid out on device_mesh; each rank makes its part."""
    options.setdefault("dtype", taper.full((), fill_value).dtype)
    size = (size,) if isinstance(size, int) else tuple(size)
    return _laid(size, lambda x: _filled(x, fill_value), **options)
