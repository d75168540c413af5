"""Modules that hold others."""

import operator
from collections import OrderedDict

from .. import _C
from .module import Module
from .parameter import Parameter


class Sequential(Module):
    """Modules called one after another."""

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for index, module in enumerate(args):
                self.add_module(str(index), module)

    def _key(self, index):
        keys = list(self._modules)
        index = operator.index(index)
        if not -len(keys) <= index < len(keys):
            raise IndexError(f"index {index} is out of range")
        return keys[index]

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __setitem__(self, index, module):
        setattr(self, self._key(index), module)

    def __delitem__(self, index):
        for key in list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]:
            del self._modules[key]
        self._modules = {str(i): m for i, m in enumerate(self._modules.values())}

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __add__(self, other):
        return Sequential(*self, *other)

    def __mul__(self, count):
        """The modules count times over, each time the same ones. Throws TypeError, ValueError below 1."""
        if not isinstance(count, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(count)}")
        if count <= 0:
            raise ValueError(f"Non-positive multiplication factor {count} for {type(self)}")
        return Sequential(*(list(self) * count))

    __rmul__ = __mul__

    def __imul__(self, count):
        return self.extend(list(self * count)[len(self) :])

    def append(self, module):
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index, module):
        """Adds a module before index."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._modules = {str(i): m for i, m in enumerate(modules)}
        return self

    def extend(self, sequential):
        """Adds modules at the end."""
        for module in sequential:
            self.append(module)
        return self

    def pop(self, key):
        """Removes and returns the module at key."""
        module = self[key]
        del self[key]
        return module

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(Module):
    """A list of modules that are children."""

    def __init__(self, modules=None):
        super().__init__()
        self.extend(modules or [])

    _key = Sequential._key
    __setitem__ = Sequential.__setitem__
    __delitem__ = Sequential.__delitem__
    __len__ = Sequential.__len__
    __iter__ = Sequential.__iter__
    append = Sequential.append
    insert = Sequential.insert
    extend = Sequential.extend
    pop = Sequential.pop

    def __repr__(self):
        runs = []
        for text in map(repr, self):
            if runs and runs[-1][0] == text:
                runs[-1][1] += 1
            else:
                runs.append([text, 1])
        lines, start = [], 0
        for text, count in runs:
            text = text.replace("\n", "\n  ")
            name = f"({start}): " if count == 1 else f"({start}-{start + count - 1}): {count} x "
            lines.append(f"\n  {name}{text}")
            start += count
        return f"{self._get_name()}({''.join(lines)}\n)" if lines else f"{self._get_name()}()"

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[self._key(index)]

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, other):
        return ModuleList([*self, *other])


class ModuleDict(Module):
    """A dictionary of modules that are children."""

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def keys(self):
        """The names."""
        return self._modules.keys()

    def values(self):
        """The modules."""
        return self._modules.values()

    def items(self):
        """Names and modules."""
        return self._modules.items()

    def clear(self):
        """Removes all."""
        self._modules.clear()

    def pop(self, key):
        """Removes and returns a module."""
        return self._modules.pop(key)

    def update(self, modules):
        """Adds modules from a mapping or pairs."""
        for key, module in modules.items() if hasattr(modules, "items") else modules:
            self[key] = module


def _parameter_lines(names, values):
    def described(value):
        if not isinstance(value, _C.Tensor):
            return f"Object of type: {type(value).__name__}"
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        return f"{kind} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"

    return "\n".join(f"  ({name}): {described(value)}" for name, value in zip(names, values))


class ParameterList(Module):
    """A list of parameters; tensors become parameters."""

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        self.extend(values or [])

    def extra_repr(self):
        return _parameter_lines(range(len(self)), self)

    def _at(self, index):
        index = operator.index(index)
        if not -self._size <= index < self._size:
            raise IndexError(f"index {index} is out of range")
        return str(index % self._size)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)([self[i] for i in range(*index.indices(self._size))])
        return getattr(self, self._at(index))

    def __setitem__(self, index, value):
        setattr(self, self._at(index), _parameter(value))

    def __len__(self):
        return self._size

    def __iter__(self):
        return iter(self[i] for i in range(self._size))

    def append(self, value):
        """Adds a parameter."""
        setattr(self, str(self._size), _parameter(value))
        self._size += 1
        return self

    def extend(self, values):
        """Adds parameters."""
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend


class ParameterDict(Module):
    """A dictionary of parameters; tensors become parameters."""

    def __init__(self, parameters=None):
        super().__init__()
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    def extra_repr(self):
        return _parameter_lines(self.keys(), self.values())

    def __getitem__(self, key):
        return getattr(self, str(key))

    def __setitem__(self, key, value):
        self._keys[key] = None
        setattr(self, str(key), _parameter(value))

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, str(key))

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __contains__(self, key):
        return key in self._keys

    def keys(self):
        """The names."""
        return self._keys.keys()

    def values(self):
        """The parameters."""
        return [self[key] for key in self._keys]

    def items(self):
        """Names and parameters."""
        return [(key, self[key]) for key in self._keys]

    def get(self, key, default=None):
        """The parameter of this name, or default."""
        return self[key] if key in self else default  # noqa: SIM401

    def setdefault(self, key, default=None):
        """The parameter of this name, which default becomes where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key):
        """Takes a parameter out."""
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Takes out the name and the parameter that came last."""
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def clear(self):
        """Takes all parameters out."""
        for key in list(self._keys):
            del self[key]

    def copy(self):
        """A dictionary of the same parameters."""
        return ParameterDict(self.items())

    def fromkeys(self, keys, default=None):
        """A dictionary with default for each of keys."""
        return ParameterDict((key, default) for key in keys)

    def __reversed__(self):
        return reversed(list(self._keys))

    def __or__(self, other):
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self, other):
        self.update(other)
        return self

    def update(self, parameters):
        """Adds parameters from a mapping or pairs."""
        for key, value in parameters.items() if hasattr(parameters, "items") else parameters:
            self[key] = value


def _parameter(value):
    from .._C import Tensor

    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value
