"""Classes that take over calls of operations: __torch_function__, as PyTorch has it, also named
__taper_function__.

A subclass of Tensor takes part from its definition on. Its calls come here, as do all calls while a
TorchFunctionMode is open; programs without either pay nothing.
"""

from . import _C
from ._C import DisableTorchFunctionSubclass, Tensor, _disabled_torch_function_impl

_modes = []


DisableTorchFunction = DisableTorchFunctionSubclass


def _taking_over(values):
    """The values whose classes take calls over, subclasses before their bases."""
    found = []
    for value in values:
        kind = type(value)
        handler = getattr(kind, "__torch_function__", _disabled_torch_function_impl)
        if kind is Tensor or handler is _disabled_torch_function_impl or any(type(v) is kind for v in found):
            continue
        place = next((i for i, other in enumerate(found) if issubclass(kind, type(other))), len(found))
        found.insert(place, value)
    return found


def _flat(args, kwargs):
    for value in (*args, *kwargs.values()):
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _dispatch(function, args, kwargs):
    overloaded = _taking_over(_flat(args, kwargs))
    types = tuple(type(value) for value in overloaded)
    if _modes:
        mode = _pop_mode()
        try:
            result = mode.__torch_function__(function, types, args, kwargs)
        finally:
            _push_mode(mode)
        if result is not NotImplemented:
            return result
    for value in overloaded:
        result = type(value).__torch_function__(function, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = getattr(function, "__name__", function)
    raise TypeError(
        f"no implementation found for 'taper.{name}' on types that implement __torch_function__: "
        f"{list(types)}"
    )


def has_torch_function(relevant_args):
    """Whether one of the values takes calls over."""
    return bool(_modes) or bool(_taking_over(relevant_args))


def has_torch_function_unary(value):
    """Whether the value takes calls over."""
    return has_torch_function((value,))


def has_torch_function_variadic(*values):
    """Whether one of the values takes calls over."""
    return has_torch_function(values)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Lets the values among relevant_args that take calls over compute public_api(*args, **kwargs)."""
    return _dispatch(public_api, args, kwargs)


def is_tensor_like(value):
    """Whether value is a tensor or takes calls over."""
    return isinstance(value, Tensor) or hasattr(type(value), "__torch_function__")


def resolve_name(function):
    """The name of an operation."""
    return f"taper.{function.__name__}"


def _as_kind(value, kind):
    if isinstance(value, Tensor):
        return value.as_subclass(kind) if type(value) is Tensor else value
    if isinstance(value, (list, tuple)):
        parts = [_as_kind(part, kind) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def default_torch_function(kind, function, types, args=(), kwargs=None):
    """Computes with plain tensors; results get the class kind, as Tensor.__torch_function__ does."""
    if not all(issubclass(kind, other) for other in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = function(*args, **(kwargs or {}))
    if function in _KEEPS_PLAIN or kind is Tensor:
        return result
    return _as_kind(result, kind)


_KEEPS_PLAIN = {getattr(Tensor, name) for name in ("item", "tolist", "numpy", "as_subclass")}

_OPERATORS = (
    "__{}__ add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv ifloordiv "
    "mod rmod imod pow rpow ipow matmul rmatmul imatmul and rand iand or ror ior xor rxor ixor lshift "
    "rlshift ilshift rshift rrshift irshift neg abs invert lt le eq ne gt ge getitem setitem"
)


def _overridable(name, function):
    def method(self, *args, **kwargs):
        if not _C._set_taking_over(True):
            _C._set_taking_over(False)
            return function(self, *args, **kwargs)
        return _dispatch(function, (self, *args), kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = function.__doc__
    return method


def _python_methods():
    # Those written in Python, and the operators, which do not pass by the library's callables.
    form, *names = _OPERATORS.split()
    for name in (form.format(name) for name in names):
        if hasattr(Tensor, name):
            yield name, getattr(Tensor, name)
    for name, value in list(vars(Tensor).items()):
        if type(value) is type(_python_methods) and not name.startswith("_"):
            yield name, value


def adopt(kind):
    """Makes a new subclass of Tensor take part: called when it is defined."""
    own = vars(kind)
    if "__taper_function__" in own and "__torch_function__" not in own:
        kind.__torch_function__ = own["__taper_function__"]
    if kind.__torch_function__ is _disabled_torch_function_impl:
        return
    for base in kind.__mro__[1:]:
        if base is Tensor:
            break
        if "_taper_adopted" in vars(base):
            return
    for name, function in _python_methods():
        if getattr(kind, name) is function:
            setattr(kind, name, _overridable(name, function))
    if kind.__eq__ is not Tensor.__eq__ and kind.__hash__ is None:
        kind.__hash__ = Tensor.__hash__
    kind._taper_adopted = True


def _push_mode(mode):
    _modes.append(mode)
    _C._count_modes(1)


def _pop_mode():
    _C._count_modes(-1)
    return _modes.pop()


class TorchFunctionMode:
    """While open, __torch_function__(function, types, args, kwargs) gets every call of an operation."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        _push_mode(self)
        return self

    def __exit__(self, *exception):
        _pop_mode()


_C._take_over(_dispatch)
