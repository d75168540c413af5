"""Writes the operations that are methods of Tensor in C++: their declarations
(include/taper/tensor_methods.inc) and their definitions (src/ops/tensor_methods.cc,
src/ops/tensor_methods_inplace.cc).

    python scripts/tensor_methods.py           (after a change in include/taper/ops or a registration)
    python scripts/tensor_methods.py --check   (fails where the files are not what it would write)

A method is what include/taper/ops declares with a tensor first and the registry has as a method in Python.
name_ is one that a header declares, or that the registry makes (.inplace).
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADERS = sorted((ROOT / "include/taper/ops").glob("*.h"))
# What Tensor declares by itself, or takes in a form of its own.
OWN = {"index", "index_put", "index_put_", "set_memory"}
DECLARATION = re.compile(r"^((?:const )?[\w:<>, ]+[&]?) (\w+)\(const Tensor& \w+(?:, (.*))?\);$", re.DOTALL)
NOTICE = "// Made by scripts/tensor_methods.py."


def registered():
    """Names of methods, and of operations that the registry makes an in-place form of."""
    methods, inplace = set(), set()
    for source in sorted((ROOT / "src/ops").glob("*.cc")):
        text = re.sub(r'"\s*"', "", source.read_text())
        for block in text.split(".signature =")[1:]:
            name = re.match(r'\s*"(\w+)\(', block)
            if not name:
                continue
            homes = re.search(r'\.homes = "([^"]*)"', block)
            if "Tensor" in (homes[1] if homes else "taper Tensor").split():
                methods.add(name[1])
                if ".inplace = true" in block:
                    inplace.add(name[1])
    return methods, inplace


def declarations():
    """(result, name, parameters) of the functions in include/taper/ops whose first parameter is a tensor."""
    for header in HEADERS:
        text = re.sub(r"//.*", "", header.read_text())
        text = re.sub(r"namespace linalg \{.*?\n\}", "", text, flags=re.DOTALL)
        for statement in re.findall(r"^[A-Za-z][^;{}]*;", text, flags=re.MULTILINE):
            match = DECLARATION.match(" ".join(statement.split()))
            if match:
                yield (
                    match[1],
                    match[2],
                    (match[3] or "").replace("const Dims&", "const std::optional<Shape>&"),
                )


def split_parameters(parameters):
    """The parameters one by one: (type and name, name)."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(parameters + ","):
        depth += (letter in "<({") - (letter in ">)}")
        if letter == "," and depth == 0:
            parts.append(parameters[start:i].strip())
            start = i + 1
    plain = [part.split(" = ")[0] for part in parts if part]
    return [(part, part.split()[-1].lstrip("&")) for part in plain]


def method(result, name, parameters, call):
    """Declaration and definition; call(arguments) gives the body."""
    plain = split_parameters(parameters)
    listed = ", ".join(part for part, _ in plain)
    arguments = "".join(", " + own for _, own in plain)
    return (
        f"{result} {name}({parameters}) const;",
        f"{result} Tensor::{name}({listed}) const {{ {call(arguments)} }}",
    )


def methods():
    """The two lists of (declaration, definition): methods, and those that work in place."""
    names, inplace = registered()
    functions = [f for f in declarations() if f[1] not in OWN]
    direct = {(name, parameters) for _, name, parameters in functions}
    plain, writing = [], []
    for result, name, parameters in functions:
        if name in names or (name.endswith("_") and name[:-1] in names):
            target = writing if name.endswith("_") else plain
            target.append(
                method(
                    result,
                    name,
                    parameters,
                    lambda arguments, n=name: f"return taper::{n}(*this{arguments});",
                )
            )
        if name in inplace and result == "Tensor" and (name + "_", parameters) not in direct:
            writing.append(
                method(
                    "const Tensor&",
                    name + "_",
                    parameters,
                    lambda arguments, n=name: (
                        f'return inplace("{n}_", *this, [&](const Tensor& before) '
                        f"{{ return taper::{n}(before{arguments}); }});"
                    ),
                )
            )
    return plain, writing


def formatted(text, path):
    """The text as clang-format writes it; a check, which looks at no spaces, does without."""
    if "--check" in sys.argv:
        return text
    command = ["clang-format", f"--assume-filename={path}"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def files():
    """Path and content of the files."""
    plain, writing = methods()
    body = "\n".join(declaration for declaration, _ in plain + writing)
    # Formatted as they stand within the class.
    head = f"{NOTICE} The operations as methods; what they do stands in taper/ops.\n"
    inside = formatted(f"class Tensor {{\n public:\n{body}\n}};\n", "methods.h").splitlines()[2:-1]
    yield "include/taper/tensor_methods.inc", head + "\n".join(inside) + "\n"
    for name, content, what, include in [
        ("tensor_methods", plain, "Operations as methods of Tensor.", ""),
        (
            "tensor_methods_inplace",
            writing,
            "Methods of Tensor that write into it.",
            '#include "ops/inplace.h"\n',
        ),
    ]:
        path = f"src/ops/{name}.cc"
        definitions = "\n".join(definition for _, definition in content)
        yield (
            path,
            formatted(
                f'// {what} {NOTICE[3:]}\n{include}#include "taper/ops.h"\n\nnamespace taper {{\n\n'
                f"{definitions}\n\n"
                "}  // namespace taper\n",
                path,
            ),
        )


def main():
    stale = []
    for path, content in files():
        target = ROOT / path
        if "--check" not in sys.argv:
            target.write_text(content)
        elif "".join(target.read_text().split()) != "".join(content.split()):
            stale.append(path)
    if stale:
        print(f"not up to date: {', '.join(stale)}; run `make methods`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
