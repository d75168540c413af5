"""Parametrizations: tensors of a module computed from other tensors by modules."""

import contextlib
import copy

from ... import _C
from ..._grad_mode import no_grad
from ..container import ModuleDict, ModuleList
from ..parameter import Parameter

_cache_depth = 0
_cache = {}


@contextlib.contextmanager
def cached():
    """Within it every parametrized tensor is computed once only."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if _cache_depth == 0:
            _cache.clear()


def _register(module, name, tensor):
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _set(target, value):
    """Gives target the value, of any shape, and keeps its identity."""
    if target is not value:
        target.data = value.detach()


def _inverse(modules, value):
    for module in reversed(list(modules)):
        if not hasattr(module, "right_inverse"):
            raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
        value = module.right_inverse(value)
    return value


def _check_like(new, old, what):
    if not isinstance(new, _C.Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(new).__name__}.")
    for attribute in ("dtype", "shape"):
        if getattr(new, attribute) != getattr(old, attribute):
            raise ValueError(
                f"Registering a parametrization may not change the {attribute} of the tensor, unless the "
                f"`unsafe` flag is enabled.\nunparametrized {attribute}: {getattr(old, attribute)}\n"
                f"{what} {attribute}: {getattr(new, attribute)}"
            )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and the tensors ("original", or "original0", ...) it is computed
    from."""

    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before = original.detach().clone()
        with no_grad():
            new = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        if not isinstance(new, (_C.Tensor, list, tuple)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, _C.Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != original.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            _set(original, new)
            _register(self, "original", original)
        else:
            self._register_several(new, original)
        if not unsafe:
            _check_like(self(), before, "parametrized")

    def _register_several(self, tensors, original):
        for index, tensor in enumerate(tensors):
            if not isinstance(tensor, _C.Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                    f"element {index} of the sequence with type {type(tensor).__name__}."
                )
            if isinstance(original, Parameter):
                tensor = Parameter(tensor.detach().clone(), original.requires_grad)
            _register(self, f"original{index}", tensor)

    def _originals(self):
        return (
            [self.original]
            if self.is_tensor
            else [getattr(self, f"original{i}") for i in range(self.ntensors)]
        )

    def right_inverse(self, value):
        """Sets the original tensors so that the parametrized one becomes value."""
        with no_grad():
            new = _inverse(self, value)
            new = [new] if self.is_tensor else new
            if not isinstance(new, (list, tuple)) or len(new) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}."
                )
            for index, (target, tensor) in enumerate(zip(self._originals(), new)):
                if not isinstance(tensor, _C.Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(tensor).__name__}")
                if tensor.dtype != target.dtype:
                    raise ValueError(
                        f"Tensor {index} returned by `right_inverse` has dtype {tensor.dtype} while "
                        f"the original has dtype {target.dtype}"
                    )
                _set(target, tensor.clone() if tensor is value else tensor)

    def forward(self):
        """The parametrized tensor."""
        first, *rest = self
        result = first(*self._originals())
        for module in rest:
            result = module(result)
        return result


def _deepcopy(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    replica = memo[id(self)] = self.__new__(type(self))
    replica.__dict__ = copy.deepcopy(self.__dict__, memo)
    return replica


def _getstate(self):
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")


def _inject_class(module):
    """Gives the module a class of its own, where properties can be added."""
    kind = type(module)
    members = {"__getstate__": _getstate, "__module__": kind.__module__}
    if not hasattr(kind, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), members)


def _inject_property(module, name):
    def get(self):
        if not _cache_depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def set_(self, value):
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, set_))


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Replaces a parameter or buffer of module by parametrization(that tensor); more may be added on top."""
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            old = getattr(module, tensor_name)
            new = parametrization(old)
            _check_like(new, old, "parametrized")
            if hasattr(parametrization, "right_inverse"):
                with contextlib.suppress(NotImplementedError):
                    _check_like(parametrization.right_inverse(new), old, "right_inverse's")
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module, tensor_name=None):
    """Whether module has a parametrization, of this tensor if one is named."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Makes the tensor plain again, with its parametrized value, or else with the original one."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms "
            "of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module):
    """The class that module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
