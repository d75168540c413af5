"""Writes the type stubs of what the library's registry puts into the package: stubs.py OUT [EXTENSION].

EXTENSION is the built module taper._C where it is not in the package. Run by the build.
"""

import importlib.util
import inspect
import os
import re
import sys
import types

HEADER = """# Made by python/stubs.py from the registry of operations.
# mypy: ignore-errors
import builtins as _b
from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as _numpy
"""
TYPES = {
    "Tensor": "Tensor",
    "Scalar": "Number",
    "Tensor|Scalar": "Tensor | Number",
    "Tensor[]": "Sequence[Tensor]",
    "Tensor?[]": "Sequence[Tensor | None]",
    "bool": "_b.bool",
    "int": "_b.int",
    "float": "_b.float",
    "str": "_b.str",
    "int[]": "_b.int | Sequence[_b.int]",
    "float[]": "_b.float | Sequence[_b.float]",
    "dtype": "_dtype",
    "device": "_b.str | _b.int | _device",
    "Generator": "Generator",
}
PROPERTIES = {
    "shape": "Size",
    "dtype": "_dtype",
    "device": "_device",
    "grad": "Tensor | None",
    "requires_grad": "_b.bool",
    "is_leaf": "_b.bool",
    "ndim": "_b.int",
    "itemsize": "_b.int",
    "nbytes": "_b.int",
    "data": "Tensor",
    "T": "Tensor",
    "H": "Tensor",
    "mT": "Tensor",
    "mH": "Tensor",
    "real": "Tensor",
    "imag": "Tensor",
}
RESULTS = {
    "backward": "None",
    "detach": "Tensor",
    "cpu": "Tensor",
    "contiguous": "Tensor",
    "numpy": "_numpy.ndarray",
    "requires_grad_": "Tensor",
    "retain_grad": "None",
    "type_as": "Tensor",
    "new_zeros": "Tensor",
    "new_ones": "Tensor",
    "new_full": "Tensor",
    "new_empty": "Tensor",
    "new_tensor": "Tensor",
    "__len__": "_b.int",
    "__getitem__": "Tensor",
    "__bool__": "_b.bool",
    "__int__": "_b.int",
    "__float__": "_b.float",
    "__index__": "_b.int",
    "__hash__": "_b.int",
    "__repr__": "_b.str",
    "__setitem__": "None",
    "numel": "_b.int",
    "dim": "_b.int",
    "is_contiguous": "_b.bool",
    "element_size": "_b.int",
    "data_ptr": "_b.int",
}
OPERATORS = {
    f"__{prefix}{name}__"
    for prefix in ("", "r", "i")
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "matmul",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    )
} | {
    "__neg__",
    "__pos__",
    "__abs__",
    "__invert__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__eq__",
    "__ne__",
}


def split_top(text):
    """text at its commas outside of brackets and quotes."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += character in "([" and 1 or character in ")]" and -1 or 0
        if character == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return parts + ([current.strip()] if current.strip() else [])


def python_type(text):
    optional = text.endswith("?")
    plain = text.removesuffix("?")
    if re.fullmatch(r"int\??\[\d+\]", plain):
        plain = "int[]"
    return TYPES[plain] + (" | None" if optional else "")


class Signature:
    """One entry of the registry as a stub."""

    def __init__(self, entry):
        self.name, rest = re.fullmatch(r"(\w+)\((.*)", entry["signature"], re.S).groups()
        arguments, self.result = re.fullmatch(r"(.*)\) -> (.*)", rest, re.S).groups()
        self.parameters = []
        for part in split_top(arguments):
            if part == "*":
                self.parameters.append("*")
                continue
            kind, name = re.fullmatch(r"(\S+) (.*)", part, re.S).groups()
            name, _, default = name.partition("=")
            if kind == "int...":
                self.parameters.append(f"*{name}: _b.int | Sequence[_b.int]")
            else:
                self.parameters.append(f"{name}: {python_type(kind)}" + (" = ..." if default else ""))

    def result_type(self, named):
        if not self.result.startswith("("):
            return (
                {
                    "Tensor": "Tensor",
                    "Tensor[]": "list[Tensor]",
                    "bool": "_b.bool",
                    "int": "_b.int",
                    "Scalar": "Any",
                }.get(self.result, "Any")
                if not self.name.startswith("unique")
                else "Any"
            )
        fields = [field.split() for field in split_top(self.result[1:-1])]
        if all(len(field) == 2 for field in fields):
            name = "_" + "_".join(field[1] for field in fields)
            named[name] = fields
            return name
        return f"tuple[{', '.join(field[0] for field in fields)}]"

    def text(self, named, method=False, inplace=False, out=False):
        parameters = list(self.parameters)
        if any(re.match(r"(from|lambda|in|is)\b", parameter) for parameter in parameters):
            parameters = ["*args: Any", "**kwargs: Any"]
        elif "*" in parameters and any(
            parameter.startswith("*") and parameter != "*" for parameter in parameters
        ):
            parameters.remove("*")
        if method:
            parameters = (
                ["self"] + parameters[1:] if not parameters[0].startswith("*args") else ["self"] + parameters
            )
        if out and not parameters[-1].startswith("**"):
            if not any(parameter.startswith("*") for parameter in parameters):
                parameters.append("*")
            parameters.append("out: Any = ...")
        name = self.name + ("_" if inplace else "")
        return f"def {name}({', '.join(parameters)}) -> {self.result_type(named)}: ..."


def functions_of(entries, named, method=False):
    """Stubs of entries, with their in-place forms for methods, overloaded where several share a name."""
    groups = {}
    for entry in entries:
        signature = Signature(entry)
        groups.setdefault(signature.name, []).append(signature.text(named, method, out=not method))
        if method and entry["inplace"]:
            groups.setdefault(signature.name + "_", []).append(signature.text(named, True, True))
    lines = {}
    for name, texts in groups.items():
        lines[name] = texts if len(texts) == 1 else [line for text in texts for line in ("@overload", text)]
    return lines


def python_function(name, function, method=False):
    """A stub of a function written in Python, or of unknown signature."""
    try:
        parameters = []
        for parameter in inspect.signature(function).parameters.values():
            default = parameter.empty if parameter.default is parameter.empty else ...
            parameters.append(parameter.replace(annotation=parameter.empty, default=default))
        arguments = str(inspect.Signature(parameters)).replace("Ellipsis", "...")
    except (TypeError, ValueError):
        arguments = "(self, *args: Any, **kwargs: Any)" if method else "(*args: Any, **kwargs: Any)"
    return f"def {name}{arguments} -> {RESULTS.get(name, 'Any') if method else 'Any'}: ..."


def tensor_class(taper, entries, named):
    lines = ["class Tensor:", "    def __init__(self, *args: Any, **kwargs: Any) -> None: ..."]
    known = functions_of(entries, named, method=True)
    for name, kind in PROPERTIES.items():
        lines += ["    @property", f"    def {name}(self) -> {kind}: ..."]
        if name in ("grad", "requires_grad", "data"):
            lines += [f"    @{name}.setter", f"    def {name}(self, value: Any) -> None: ..."]
    for name in sorted(set(dir(taper.Tensor)) | set(known)):
        if name in PROPERTIES or name in ("__init__", "__new__", "__class__", "__dict__", "__doc__"):
            continue
        if name in known:
            lines += ["    " + line for line in known[name]]
        elif name in OPERATORS:
            of_one = name in ("__neg__", "__pos__", "__abs__", "__invert__")
            lines.append(f"    def {name}(self{'' if of_one else ', other: Any'}) -> Tensor: ...")
        elif name in RESULTS or (not name.startswith("_") and callable(getattr(taper.Tensor, name))):
            lines.append(
                f"    def {name}(self, *args: Any, **kwargs: Any) -> {RESULTS.get(name, 'Any')}: ..."
            )
        elif not name.startswith("_"):
            lines.append(f"    {name}: Any")
    return lines


def named_tuples(named):
    lines = []
    for name, fields in sorted(named.items()):
        lines += [f"class {name}(NamedTuple):"] + [f"    {field}: {kind}" for kind, field in fields]
    return lines


def origin(value, name, package):
    """The module of the package from which name can be imported; None where there is none."""
    module = getattr(value, "__module__", None)
    own = module and module.startswith("taper.") and not module.startswith("taper._C") and module != package
    return module if own and getattr(sys.modules.get(module), name, None) is value else None


def module_stub(taper, module, home, entries):
    """The stub of a module that holds registry functions beside Python's."""
    named = {}
    known = functions_of([entry for entry in entries if home in entry["homes"].split()], named)
    body = []
    for name, value in ((name, getattr(module, name)) for name in dir(module)):
        if name.startswith("_") or name in known:
            continue
        if isinstance(value, types.ModuleType):
            continue
        found = origin(value, name, module.__name__)
        if found:
            body.append(f"from {found} import {name} as {name}")
        elif callable(value) and not isinstance(value, type):
            body.append(python_function(name, value))
        else:
            body.append(f"{name}: Any")
    body += [line for name in sorted(known) for line in known[name]]
    head = ["from taper import Generator, Number, Size, Tensor, device as _device, dtype as _dtype"]
    return "\n".join([HEADER, *head, *named_tuples(named), *body]) + "\n"


def package_stub(taper, entries):
    named = {}
    known = functions_of([entry for entry in entries if "taper" in entry["homes"].split()], named)
    tensor = tensor_class(taper, [entry for entry in entries if "Tensor" in entry["homes"].split()], named)
    body = [
        "Number = _b.int | _b.float | _b.complex | _b.bool",
        "class _dtype: ...",
        "class _device:",
        "    type: _b.str",
        "    index: _b.int | None",
        "    def __init__(self, *args: Any) -> None: ...",
        "dtype = _dtype",
        "device = _device",
        "class Size(tuple[_b.int, ...]):",
        "    def numel(self) -> _b.int: ...",
        "class Generator:",
        "    def __init__(self, *args: Any) -> None: ...",
        "    def manual_seed(self, seed: _b.int) -> Generator: ...",
        "    def __getattr__(self, name: _b.str) -> Any: ...",
    ]
    body += tensor
    done = {"dtype", "device", "Size", "Generator", "Tensor"} | set(known)
    for name in sorted(taper._LAZY.split()):
        if importlib.util.find_spec("taper." + name):
            body.append(f"from . import {name} as {name}")
        done.add(name)
    for name, value in ((name, getattr(taper, name)) for name in dir(taper)):
        if name.startswith("_") and name != "__version__" or name in done:
            continue
        found = origin(value, name, "taper")
        if isinstance(value, types.ModuleType):
            body.append(f"from . import {name} as {name}")
        elif isinstance(value, type) and issubclass(value, BaseException):
            bases = [
                base.__name__ if base.__module__.startswith("taper") else "_b." + base.__name__
                for base in value.__bases__
            ]
            body.append(f"class {name}({', '.join(bases)}): ...")
        elif found:
            body.append(f"from {found} import {name} as {name}")
        elif isinstance(value, taper.dtype):
            body.append(f"{name}: _dtype")
        elif value is taper.Tensor:
            body.append(f"{name} = Tensor")
        elif callable(value) and not isinstance(value, type):
            body.append(python_function(name, value))
        else:
            body.append(f"{name}: Any")
    body += ["from .serialization import load as load, save as save", "from .func import vmap as vmap"]
    body += [line for name in sorted(known) for line in known[name]]
    return "\n".join([HEADER, *body, *named_tuples(named)]) + "\n"


def main():
    folder = sys.argv[1]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if len(sys.argv) > 2:
        spec = importlib.util.spec_from_file_location("taper._C", sys.argv[2])
        sys.modules["taper._C"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["taper._C"])
    import taper
    import taper.fft
    import taper.linalg
    import taper.special

    entries = taper._C._registry()
    texts = {"__init__.pyi": package_stub(taper, entries)}
    for path, module, home in (
        ("nn/functional.pyi", taper.nn.functional, "nn.functional"),
        ("linalg.pyi", taper.linalg, "linalg"),
        ("special.pyi", taper.special, "special"),
    ):
        texts[path] = module_stub(taper, module, home, entries)
    for path, text in texts.items():
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with open(os.path.join(folder, path), "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
