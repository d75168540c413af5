"""Copies and pickles of tensors: what shares memory before shares memory after."""

import copy
import mmap
import weakref

from . import _C
from ._C import Tensor


class UntypedStorage:
    """The bytes that a tensor and its views share."""

    def __init__(self, content):
        self._content = content  # a uint8 tensor over all of it

    @staticmethod
    def from_file(filename, shared=False, nbytes=0):
        """The first nbytes of a file, read into memory. Throws NotImplementedError for a shared mapping."""
        if shared:
            raise _C.NotImplementedError("from_file: files are read, not mapped; use shared=False")
        with open(filename, "rb") as file:
            content = _C._homes["taper"]["empty"](nbytes, dtype=_C.uint8, device="cpu")
            count = file.readinto(memoryview(_C._to_numpy(content))) if nbytes else 0
        if count < nbytes:
            raise RuntimeError(f"from_file: {filename} has {count} bytes, fewer than {nbytes}")
        return UntypedStorage(content)

    def nbytes(self):
        """How many bytes there are."""
        return self._content.numel()

    size = __len__ = nbytes

    def untyped(self):
        """The storage itself: all are of bytes."""
        return self

    def data_ptr(self):
        """The address of the first byte."""
        return self._content.data_ptr()

    def clone(self):
        """The same bytes in new memory."""
        return UntypedStorage(self._content.clone())

    def tolist(self):
        """The bytes as numbers."""
        return self._content.tolist()

    device = property(lambda self: self._content.device)
    is_cuda = property(lambda self: self._content.is_cuda)

    def cpu(self):
        """The bytes in main memory."""
        return UntypedStorage(self._content.cpu())

    def cuda(self, device=None, non_blocking=False):
        """The bytes on a GPU, the current one where none is given."""
        return UntypedStorage(self._content.cuda(device, non_blocking=non_blocking))

    def to(self, *, device, non_blocking=False):
        """The bytes on device."""
        return UntypedStorage(self._content.to(device, non_blocking=non_blocking))

    def __array__(self, dtype=None, copy=None):
        return _C._to_numpy(self._content)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return UntypedStorage(self._content[index])
        return self._content[index].item()

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def _key(self):
        return _C._storage_key(self._content)

    def __reduce__(self):
        content = self._content
        data = _C._to_numpy(content.cpu()).tobytes()
        return _storage_of, (data, str(content.device)) if content.is_cuda else (data,)


# Pickling notices by the object that two tensors have one storage, so there is one object for each.
_storages = weakref.WeakValueDictionary()


def untyped_storage(self):
    """The bytes that the tensor and its views share."""
    key = _C._storage_key(self)
    storage = _storages.get(key)
    if storage is None:
        storage = _storages[key] = UntypedStorage(_C._storage_bytes(self))
    return storage


def storage(self):
    """untyped_storage()."""
    return untyped_storage(self)


def _storage_of(data, device="cpu"):
    empty = _C._homes["taper"]["empty"](len(data), dtype=_C.uint8, device=device)
    return UntypedStorage(empty.copy_(_as_bytes(data)))


def _as_bytes(data):
    import numpy

    return _C.from_numpy(numpy.frombuffer(bytearray(data), dtype=numpy.uint8))


def _on(content, like):
    return _C._on_storage(content, like.dtype, tuple(like.shape), like.stride(), like.storage_offset())


def _as_class(data, cls):
    if cls is Tensor:
        return data
    if cls.__torch_function__ is not _C._disabled_torch_function_impl:
        return data.as_subclass(cls)
    from .nn.parameter import Parameter

    # Of integers there are parameters, too, which cannot require a gradient.
    return cls(data, requires_grad=False) if issubclass(cls, Parameter) else cls(data)


def __deepcopy__(self, memo):
    """A copy with its own memory. Throws RuntimeError for results of recorded operations."""
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol "
            "at the moment; use x.detach().clone()"
        )
    key = ("taper storage", _C._storage_key(self))
    if key not in memo:
        memo[key] = _C._storage_bytes(self).clone()
    result = _as_class(_on(memo[key], self), type(self))
    if result.is_floating_point() or result.is_complex():
        result.requires_grad_(self.requires_grad)
    memo[id(self)] = result
    if self.grad is not None:
        result.grad = copy.deepcopy(self.grad, memo)
    if getattr(self, "__dict__", None):
        result.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return result


def __reduce_ex__(self, protocol):
    """What pickle stores: the storage, once however many tensors share it, and the view of it."""
    how = (str(self.dtype).split(".")[-1], tuple(self.shape), tuple(self.stride()), self.storage_offset())
    arguments = (untyped_storage(self), *how, self.requires_grad, type(self))
    attributes = getattr(self, "__dict__", None)
    return (_rebuild, arguments, attributes) if attributes else (_rebuild, arguments)


def __setstate__(self, state):
    """The attributes that a pickle held."""
    self.__dict__.update(state)


def _rebuild(storage, dtype, shape, stride, offset, requires_grad, cls):
    result = _as_class(_C._on_storage(storage._content, getattr(_C, dtype), shape, stride, offset), cls)
    differentiable = result.is_floating_point() or result.is_complex()
    return result.requires_grad_(requires_grad) if differentiable else result


# Storages of shared memory, by their addresses, for as long as they live.
_shared = set()


def share_memory_(self):
    """Moves the elements to memory that processes forked from now on share with this one."""
    if is_shared(self) or not self.numel():
        return self
    import numpy

    size = self.numel() * self.element_size()
    array = numpy.frombuffer(mmap.mmap(-1, size), dtype=numpy.uint8)
    content = _C.from_numpy(array)
    weakref.finalize(array.base, _shared.discard, _C._storage_key(content))
    moved = _C._on_storage(content, self.dtype, tuple(self.shape), self.contiguous().stride(), 0)
    moved.copy_(self.detach())
    self.data = moved
    _shared.add(_C._storage_key(self))
    return self


def is_shared(self):
    """Whether the memory is shared with forked processes."""
    return _C._storage_key(self) in _shared
