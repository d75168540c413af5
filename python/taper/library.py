"""Operations of a program's own, each under a name such as "mylib::blur"."""

import inspect
import re

from . import _C
from .autograd import Function
from .utils._pytree import tree_map

_operations = {}

# Keys under which kernels compute no gradient of their own, and the devices they are for; "" stands for any.
_DEVICES = {"CPU": "cpu", "CUDA": "cuda", "Meta": "meta", "CompositeExplicitAutograd": ""}


def _named(qualname):
    """The operation of this name, made if there is none yet."""
    qualname = getattr(qualname, "_qualname", qualname)
    if qualname.count("::") != 1:
        raise ValueError(f"library: an operation's name is 'namespace::name', got {qualname!r}")
    return _operations.setdefault(qualname.split(".")[0], CustomOpDef(qualname.split(".")[0]))


def _tensors(values):
    for value in values:
        if isinstance(value, _C.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _detached(values):
    return tree_map(lambda value: value.detach() if isinstance(value, _C.Tensor) else value, values)


def _differentiable(operation):
    class WithGradient(Function):
        @staticmethod
        def forward(ctx, *args, **keywords):
            # Kernels see tensors outside of the graph, as numpy() wants them.
            result = operation._compute(*_detached(args), **_detached(keywords))
            if operation._setup_context is not None:
                given = {"keyword_only_inputs": keywords} if keywords else {}
                operation._setup_context(ctx=ctx, inputs=args, output=result, **given)
            return result

        @staticmethod
        def backward(ctx, *gradients):
            if operation._backward is None:
                raise RuntimeError(
                    f"Trying to backward through {operation._qualname} but no autograd formula was "
                    "registered. Please use register_autograd to add one."
                )
            return operation._backward(ctx, *gradients)

    WithGradient.__name__ = operation._name
    return WithGradient


class CustomOpDef:
    """An operation: its kernels for devices, and what autograd and the meta device need."""

    def __init__(self, qualname):
        self._qualname = qualname
        self._namespace, self._name = qualname.split("::")
        self._kernels, self._whole, self._signature = {}, None, None
        self._backward = self._setup_context = None
        self._function = _differentiable(self)
        self.__name__ = self._name

    default = property(lambda self: self)
    _opoverload = default

    def _defined(self):
        return bool(self._kernels) or self._whole is not None

    def _arguments(self, args, kwargs):
        if self._signature is None:
            return args, kwargs
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _compute(self, *args, **kwargs):
        device = next((x.device.type for x in _tensors((*args, *kwargs.values()))), "cpu")
        kernel = self._kernels.get(device) or (self._kernels.get("") if device != "meta" else None)
        if kernel is None:
            raise _C.NotImplementedError(f"{self._qualname}: has no kernel for device {device}")
        return kernel(*args, **kwargs)

    def __call__(self, *args, **kwargs):
        if not self._defined():
            raise RuntimeError(f"{self._qualname}: operator does not exist")
        if self._whole is not None:
            return self._whole(*args, **kwargs)
        args, kwargs = self._arguments(args, kwargs)
        wanted = _C.is_grad_enabled() and any(x.requires_grad for x in _tensors((*args, *kwargs.values())))
        return self._function.apply(*args, **kwargs) if wanted else self._compute(*args, **kwargs)

    def register_kernel(self, device_types, func=None, /):
        """func computes the operation on this device or these; None: on any."""

        def register(func):
            for device in [device_types] if isinstance(device_types, str) else device_types or [""]:
                self._kernels[device] = func
            return func

        return register if func is None else register(func)

    def register_fake(self, fn=None, /):
        """fn gives results of the right shapes and dtypes for tensors on meta."""
        return self.register_kernel("meta", fn)

    def register_autograd(self, backward, /, *, setup_context=None):
        """backward(ctx, *gradients) gives those of the arguments; setup_context(ctx, inputs, output) saves
        for it."""
        self._backward, self._setup_context = backward, setup_context

    def __repr__(self):
        return f"<CustomOpDef({self._qualname})>"


def custom_op(name, fn=None, /, *, mutates_args, device_types=None, schema=None, tags=None):
    """Makes fn (or what is decorated) the operation "namespace::name", for these device types or any."""

    def make(fn):
        operation = _named(name)
        operation._signature = inspect.signature(fn)
        operation.__doc__ = fn.__doc__
        operation.register_kernel(device_types, fn)
        return operation

    return make if fn is None else make(fn)


# PyTorch also traces into these; here nothing is traced.
triton_op = custom_op


def register_kernel(op, device_types, func=None, /, *, lib=None):
    """func computes the operation on these devices."""
    return _named(op).register_kernel(device_types, func)


def register_fake(op, func=None, /, *, lib=None, _stacklevel=1, allow_override=False):
    """func gives results of the right shapes and dtypes for tensors on meta."""
    return _named(op).register_fake(func)


impl_abstract = register_fake


def register_autograd(op, backward, /, *, setup_context=None, lib=None):
    """backward(ctx, *gradients) gives the gradients of the operation's arguments."""
    _named(op).register_autograd(backward, setup_context=setup_context)


def define(qualname, schema, *, lib=None, tags=()):
    """Names an operation, whose kernels impl() gives. Its arguments are those of the kernels."""
    _named(qualname)


def impl(qualname, types, func=None, *, lib=None):
    """func computes the operation on these device types ("default": on any)."""
    types = (types,) if isinstance(types, str) else types

    def register(func):
        return _named(qualname).register_kernel(tuple("" if t == "default" else t for t in types), func)

    return register if func is None else register(func)


class Library:
    """Operations of one namespace. kind "DEF", "IMPL" or "FRAGMENT" makes no difference."""

    def __init__(self, ns, kind, dispatch_key=""):
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema, alias_analysis="", *, tags=()):
        """Names an operation by a schema such as "blur(Tensor x) -> Tensor", and returns its name."""
        name = re.match(r"[\w.]+", schema.strip()).group()
        _named(f"{self.ns}::{name}")
        return name

    def impl(self, op_name, fn, dispatch_key="", *, with_keyset=False, allow_override=False):
        """fn computes the operation under a key; without one, or under Autograd, with its gradients."""
        operation = _named(
            op_name if not isinstance(op_name, str) or "::" in op_name else f"{self.ns}::{op_name}"
        )
        key = dispatch_key or self.dispatch_key
        if key in _DEVICES:
            operation.register_kernel(_DEVICES[key], fn)
        elif key in ("", "CompositeImplicitAutograd", "Autograd", "AutogradCPU", "AutogradCUDA"):
            operation._whole = fn

    def _destroy(self):
        for name in [name for name in _operations if name.startswith(f"{self.ns}::")]:
            del _operations[name]
