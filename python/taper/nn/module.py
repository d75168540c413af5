"""Module: the base of all layers and networks."""

import functools
import itertools
import warnings
from collections import OrderedDict

from .. import _C
from .._C import Tensor
from ._hooks import (
    RemovableHandle,
    backward_of_all,
    backward_pre_of_all,
    forward_of_all,
    forward_pre_of_all,
    marks_of_all,
    watch_inputs,
    watch_outputs,
)
from .parameter import Buffer, Parameter, is_lazy


class _IncompatibleKeys(tuple):
    """(missing_keys, unexpected_keys) of load_state_dict."""

    _fields = ("missing_keys", "unexpected_keys")
    missing_keys = property(lambda self: self[0])
    unexpected_keys = property(lambda self: self[1])

    def __new__(cls, missing_keys, unexpected_keys):
        return super().__new__(cls, (missing_keys, unexpected_keys))

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]!r}, unexpected_keys={self[1]!r})"

    __str__ = __repr__


def _indent(text, spaces):
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * spaces + line for line in rest)])


def _call_in_place(hook, *args):
    if hook(*args) is not None:
        raise RuntimeError("state_dict post-hook must return None")


# The entry of a state_dict with what get_extra_state() gave.
_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class Module:
    """A layer or network: parameters, buffers and modules assigned to attributes belong to it."""

    _version = 1
    training: bool
    call_super_init = False
    dump_patches = False

    def __init__(self, *args, **kwargs):
        for name, value in (
            ("training", True),
            ("_parameters", {}),
            ("_buffers", {}),
            ("_modules", {}),
            ("_non_persistent_buffers_set", set()),
            ("_forward_hooks", OrderedDict()),
            ("_forward_pre_hooks", OrderedDict()),
            ("_backward_hooks", OrderedDict()),
            ("_backward_pre_hooks", OrderedDict()),
            ("_forward_hooks_with_kwargs", {}),
            ("_forward_pre_hooks_with_kwargs", {}),
            ("_forward_hooks_always_called", {}),
            ("_state_dict_hooks", OrderedDict()),
            ("_state_dict_pre_hooks", OrderedDict()),
            ("_load_state_dict_pre_hooks", OrderedDict()),
            ("_load_state_dict_post_hooks", OrderedDict()),
        ):
            object.__setattr__(self, name, value)

    def forward(self, *input):
        """What calling the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # Attributes.

    def __setattr__(self, name, value):
        registries = self.__dict__
        parameters = registries.get("_parameters")
        if isinstance(value, Parameter):
            self._needs_init(parameters, "parameters")
            self._forget(name, keep="_parameters")
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as parameter '{name}' "
                    "(taper.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._needs_init(registries.get("_modules"), "module")
            self._forget(name, keep="_modules")
            registries["_modules"][name] = value
        elif registries.get("_modules") is not None and name in registries["_modules"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as child module '{name}' "
                    "(taper.nn.Module or None expected)"
                )
            registries["_modules"][name] = None
        elif isinstance(value, Buffer) or (
            registries.get("_buffers") is not None and name in registries["_buffers"]
        ):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' object to buffer '{name}' "
                    "(taper.Tensor or None required)"
                )
            if isinstance(value, Buffer):
                self._needs_init(registries.get("_buffers"), "buffers")
                self._forget(name, keep="_buffers")
                self.register_buffer(name, value, getattr(value, "persistent", True))
            else:
                registries["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    @staticmethod
    def _needs_init(registry, what):
        if registry is None:
            raise AttributeError(
                f"cannot assign {what} before Module.__init__() call; call super().__init__() first"
            )

    def _forget(self, name, keep):
        self.__dict__.pop(name, None)
        for registry in ("_parameters", "_buffers", "_modules"):
            if registry != keep:
                self.__dict__[registry].pop(name, None)
        if keep != "_buffers":
            self._non_persistent_buffers_set.discard(name)

    def __getattr__(self, name):
        for registry in ("_parameters", "_buffers", "_modules"):
            values = self.__dict__.get(registry)
            if values is not None and name in values:
                return values[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name):
        for registry in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__[registry]:
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _check_name(self, name, what):
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')

    def register_parameter(self, name, param):
        """Adds a parameter; None keeps the name without one."""
        self._check_name(name, "parameter")
        if hasattr(self, name) and name not in self._parameters:
            raise KeyError(f"attribute '{name}' already exists")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(taper.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                "explicitly."
            )
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Adds a tensor that is state but no parameter; in state_dict if persistent."""
        self._check_name(name, "buffer")
        if hasattr(self, name) and name not in self._buffers:
            raise KeyError(f"attribute '{name}' already exists")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(taper.Tensor or None required)"
            )
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(
            name
        )

    def add_module(self, name, module):
        """Adds a child module."""
        self._check_name(name, "module")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        self._modules[name] = module

    register_module = add_module

    def get_submodule(self, target):
        """The module at a path such as "encoder.0"."""
        module = self
        for name in target.split(".") if target else ():
            if name not in module._modules:
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = module._modules[name]
        return module

    def set_submodule(self, target, module, strict=False):
        """Puts module at a path such as "encoder.0"; strict: only where one is already."""
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("Cannot set the submodule without a target name!")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        setattr(parent, name, module)

    def get_parameter(self, target):
        """The parameter at a path such as "encoder.0.weight"."""
        path, _, name = target.rpartition(".")
        parameter = getattr(self.get_submodule(path), name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return parameter

    def get_buffer(self, target):
        """The buffer at a path such as "encoder.0.running_mean"."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return module._buffers[name]

    # Calls and hooks.

    def __call__(self, *args, **kwargs):
        if not (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or forward_of_all
            or forward_pre_of_all
            or backward_of_all
            or backward_pre_of_all
        ):
            try:
                return self.forward(*args, **kwargs)
            except _C.Error as error:
                _name_module(self, error)
                raise
        called = set()
        try:
            return self._call_with_hooks(args, kwargs, called)
        except Exception as error:
            if isinstance(error, _C.Error):
                _name_module(self, error)
            self._call_remaining_hooks(args, kwargs, called)
            raise

    def _call_with_hooks(self, args, kwargs, called):
        for number, hook in [*forward_pre_of_all.items(), *self._forward_pre_hooks.items()]:
            if number in self._forward_pre_hooks_with_kwargs:
                result = hook(self, args, kwargs)
                if result is not None:
                    args, kwargs = result
            else:
                result = hook(self, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
        watched = self._backward_hooks or self._backward_pre_hooks or backward_of_all or backward_pre_of_all
        if watched:
            args, backward = watch_inputs(self, args)
        result = self.forward(*args, **kwargs)
        for number, hook in [*forward_of_all.items(), *self._forward_hooks.items()]:
            called.add(number)
            replaced = self._call_forward_hook(number, hook, args, kwargs, result)
            if replaced is not None:
                result = replaced
        return watch_outputs(self, result, backward) if watched else result

    def _call_forward_hook(self, number, hook, args, kwargs, result):
        if number in self._forward_hooks_with_kwargs or number in marks_of_all["with_kwargs"]:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _call_remaining_hooks(self, args, kwargs, called):
        # After an error, those that asked to be called always; what they return changes nothing.
        for number, hook in [*forward_of_all.items(), *self._forward_hooks.items()]:
            always = number in self._forward_hooks_always_called or number in marks_of_all["always_called"]
            if always and number not in called:
                try:
                    self._call_forward_hook(number, hook, args, kwargs, None)
                except Exception as error:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced "
                        f"as another error was raised in forward: {error}",
                        stacklevel=3,
                    )

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Calls hook(module, args) before forward; what it returns replaces args."""
        handle = RemovableHandle(self._forward_pre_hooks, (self._forward_pre_hooks_with_kwargs,))
        self._forward_pre_hooks[handle.id] = hook
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        if prepend:
            self._forward_pre_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Calls hook(module, args, output) after forward; what it returns replaces the output.

        always_call: also when forward raises, then with None for the output.
        """
        handle = RemovableHandle(
            self._forward_hooks, (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        )
        self._forward_hooks[handle.id] = hook
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        if prepend:
            self._forward_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_full_backward_hook(self, hook, prepend=False):
        """Calls hook(module, grad_input, grad_output) when gradients of the inputs are there."""
        handle = RemovableHandle(self._backward_hooks)
        self._backward_hooks[handle.id] = hook
        if prepend:
            self._backward_hooks.move_to_end(handle.id, last=False)
        return handle

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Calls hook(module, grad_output) before the module's backward."""
        handle = RemovableHandle(self._backward_pre_hooks)
        self._backward_pre_hooks[handle.id] = hook
        if prepend:
            self._backward_pre_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_state_dict_post_hook(self, hook):
        """Calls hook(module, state_dict, prefix, local_metadata) at the end of state_dict.

        It may change state_dict in place, and must return None.
        """
        return self._register_state_dict_hook(functools.partial(_call_in_place, hook))

    def _register_state_dict_hook(self, hook):
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook):
        """Calls hook(module, prefix, keep_vars) at the start of state_dict."""
        handle = RemovableHandle(self._state_dict_pre_hooks)
        self._state_dict_pre_hooks[handle.id] = hook
        return handle

    def register_load_state_dict_pre_hook(self, hook):
        """Calls hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors) before
        loading."""
        handle = RemovableHandle(self._load_state_dict_pre_hooks)
        self._load_state_dict_pre_hooks[handle.id] = functools.partial(hook, self)
        return handle

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        handle = RemovableHandle(self._load_state_dict_pre_hooks)
        self._load_state_dict_pre_hooks[handle.id] = functools.partial(hook, self) if with_module else hook
        return handle

    def register_load_state_dict_post_hook(self, hook):
        """Calls hook(module, incompatible_keys) after loading."""
        handle = RemovableHandle(self._load_state_dict_post_hooks)
        self._load_state_dict_post_hooks[handle.id] = hook
        return handle

    # State.

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """Parameters and persistent buffers by their paths."""
        if args:
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, metadata)
            destination = destination if replaced is None else replaced
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def get_extra_state(self):
        """State beside tensors, to be kept in state_dict; subclasses may define it."""
        raise RuntimeError("get_extra_state: not defined by this module")

    def set_extra_state(self, state):
        """Takes what get_extra_state returned."""
        raise RuntimeError("set_extra_state: not defined by this module")

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        persistent = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        local = {
            k: v for k, v in itertools.chain(self._parameters.items(), persistent.items()) if v is not None
        }
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, value in local.items():
            key = prefix + name
            if key in state_dict:
                self._load_entry(name, value, key, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not Module.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    name = key[len(prefix) :].split(".", 1)
                    known = name[0] in self._modules if len(name) > 1 else name[0] in local
                    if not known:
                        unexpected_keys.append(key)

    def _load_entry(self, name, value, key, source, assign, error_msgs):
        if not isinstance(source, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected taper.Tensor or Tensor-like object '
                f"from checkpoint but received {type(source)}"
            )
            return
        if value.ndim == 0 and tuple(source.shape) == (1,):
            source = source[0]
        divided = value if hasattr(value, "_part_of") else None  # a taper.distributed.tensor.DTensor, stays
        if divided is not None:
            given, value, source = source, value._part, value._part_of(source)
        if source.shape != value.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {source.shape} from checkpoint, "
                f"the shape in current model is {value.shape}."
            )
            return
        before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            if divided is not None and assign:
                divided.data = source.detach() if hasattr(given, "_part_of") else source.detach().clone()
            elif not assign:
                value.copy_(source)
            elif isinstance(value, Parameter):
                setattr(
                    self,
                    name,
                    source if isinstance(source, Parameter) else Parameter(source, value.requires_grad),
                )
            else:
                self._buffers[name] = source
        finally:
            _C._set_grad_enabled(before)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copies (or with assign, takes over) tensors by their paths. strict: all keys must match."""
        if not hasattr(state_dict, "keys"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)

        def load(module, prefix):
            local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
            local["assign_to_params_buffers"] = assign
            module._load_from_state_dict(state_dict, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    load(child, f"{prefix}{name}.")
            keys = _IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                hook(module, keys)

        load(self, "")
        if strict:
            if unexpected:
                errors.insert(
                    0, "Unexpected key(s) in state_dict: {}. ".format(", ".join(f'"{k}"' for k in unexpected))
                )
            if missing:
                errors.insert(
                    0, "Missing key(s) in state_dict: {}. ".format(", ".join(f'"{k}"' for k in missing))
                )
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(
                    type(self).__name__, "\n\t".join(errors)
                )
            )
        return _IncompatibleKeys(missing, unexpected)

    # Traversal.

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """All modules with their paths, this one first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    def modules(self, remove_duplicate=True):
        """All modules, this one first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self):
        """Direct children with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        """Direct children."""
        for _, module in self.named_children():
            yield module

    def _named_members(self, registry, prefix, recurse, remove_duplicate):
        seen = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, value in getattr(module, registry).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """Parameters with their paths."""
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        """All parameters."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """Buffers with their paths."""
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        """All buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # Changes to all.

    def apply(self, fn):
        """Calls fn on every module, children first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn, recurse=True):
        for module in self.children() if recurse else ():
            module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            changed = fn(parameter.detach())
            parameter.data = changed
            if parameter.grad is not None:
                gradient = fn(parameter.grad.detach())
                parameter.grad = None
                parameter.grad = gradient
        for name, buffer in self._buffers.items():
            if is_lazy(buffer):
                buffer.data = fn(buffer.detach())
            elif buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Converts floating parameters and buffers to a dtype, or moves all to a device."""
        device, dtype, _, memory_format = _C._nn._parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor):
            if tensor.is_floating_point() or tensor.is_complex():
                if memory_format is not None and tensor.ndim not in (4, 5):
                    return tensor.to(*args, **{k: v for k, v in kwargs.items() if k != "memory_format"})
                return tensor.to(*args, **kwargs)
            return tensor.to(device=device)

        return self._apply(convert)

    def type(self, dst_type):
        """Converts all parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def _convert(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        """Floating parameters and buffers as float32."""
        return self._convert(_C.float32)

    def double(self):
        """Floating parameters and buffers as float64."""
        return self._convert(_C.float64)

    def half(self):
        """Floating parameters and buffers as float16."""
        return self._convert(_C.float16)

    def bfloat16(self):
        """Floating parameters and buffers as bfloat16."""
        return self._convert(_C.bfloat16)

    def cpu(self):
        """Parameters and buffers in main memory."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """Parameters and buffers on a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def share_memory(self):
        """Moves parameters and buffers to memory that processes forked from now on share."""
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.share_memory_()
        return self

    def to_empty(self, *, device, recurse=True):
        """Parameters and buffers on a device, with arbitrary values."""
        return self._apply(lambda t: _C._homes["taper"]["empty_like"](t, device=device), recurse)

    def compile(self, *args, **kwargs):
        """Accepted: forward runs operation by operation, as without."""

    def train(self, mode=True):
        """Sets training mode of this module and all below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """train(False)."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Whether parameters want gradients."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Drops the gradients of all parameters, or zeroes them."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach().zero_()

    # Text.

    def extra_repr(self):
        """The options, as repr shows them between brackets."""
        return ""

    def _get_name(self):
        return type(self).__name__

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def __setstate__(self, state):
        Module.__init__(self)
        self.__dict__.update(state)


def _name_module(module, error):
    """Adds where in the network it happened to an error's message, from the innermost module outwards."""
    inner = getattr(error, "_taper_modules", None)
    message = getattr(error, "_taper_message", None)
    name = type(module).__name__
    if inner is None:
        message = str(error)
        if message.startswith(name + ": "):
            return
        error._taper_message = message
        error._taper_modules = inner = []
        error._taper_last = None
    if error._taper_last is not None:
        child = next((key for key, value in module._modules.items() if value is error._taper_last), None)
        if child is not None and inner:
            inner[-1] = f"{child} ({inner[-1]})"
    inner.append(name)
    error._taper_last = module
    error.args = (f"{message} (in {'.'.join(reversed(inner))})",)
