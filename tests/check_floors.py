"""Checks that the source keeps its shape: no floor includes a higher one, public headers stay light, files stay short."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# From the ground up; floors of one line may include each other.
ORDER = [
    ["base"],
    ["cpu"],
    ["tensor"],
    ["autograd"],
    ["ops"],
    ["graph"],
    ["nn", "optim", "data", "io", "distributed"],
    ["python", "tests"],
]
RANK = {floor: rank for rank, floors in enumerate(ORDER) for floor in floors}

# The floor that implements each public header include/taper/X; a folder stands for all that is in it.
PUBLIC = {
    "error.h": "base",
    "dtype.h": "base",
    "half.h": "base",
    "shape.h": "base",
    "device.h": "base",
    "scalar.h": "base",
    "storage.h": "tensor",
    "tensor.h": "tensor",
    "tensor_methods.inc": "tensor",
    "generator.h": "tensor",
    "cuda.h": "tensor",
    "cuda_account.h": "tensor",
    "cuda_graph.h": "tensor",
    "backends.h": "tensor",
    "cuda_jit.h": "ops",
    "state.h": "tensor",
    "autograd.h": "autograd",
    "ops.h": "ops",
    "ops/": "ops",
    "printing.h": "ops",
    "graph.h": "graph",
    "graph/": "graph",
    "nn.h": "nn",
    "nn/": "nn",
    "optim.h": "optim",
    "optim/": "optim",
    "data.h": "data",
    "data/": "data",
    "io.h": "io",
    "io/": "io",
    "distributed.h": "distributed",
    "distributed/": "distributed",
    "taper.h": "distributed",
}

# Headers inside src/ that belong to a lower floor than their folder says.
INNER = {"tensor/autograd_fwd.h": "tensor"}

# 26,000 preprocessed lines and more each: whoever includes Taper would pay for them in every file.
HEAVY = re.compile(
    r"^(fmt/|Eigen/|unsupported/Eigen/|dnnl|oneapi/dnnl|pybind11/|hwy/|nlohmann/|cuda|cublas|cudnn|Python\.h)"
)

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
MAX_LINES, MAX_COLUMNS = 800, 110
MEASURED = ("include/", "src/", "python/", "cuda/", "tests/cpp/", "tests/device_sim/")
SOURCES = (".h", ".inc", ".cc", ".cu", ".cuh", ".py", ".pyi")


def floor_of_public(header):
    """The floor of include/taper/<header>, or None for a header that the table lacks."""
    return PUBLIC.get(header) or PUBLIC.get(header.split("/")[0] + "/" if "/" in header else "")


def floor_of_include(name):
    """The floor that `#include "name"` reaches into, or None where it reaches into none."""
    if name.startswith("taper/"):
        return floor_of_public(name.removeprefix("taper/"))
    folder = name.split("/")[0]
    return INNER.get(name) or (folder if "/" in name and folder in RANK else None)


def floor_of_file(path):
    """The floor of a file of the repository, or None for one on no floor (cuda/ mirrors src/cpu/)."""
    if path.startswith("include/taper/"):
        return floor_of_public(path.removeprefix("include/taper/"))
    if path.startswith("src/"):
        return INNER.get(path.removeprefix("src/")) or path.split("/")[1]
    return "python" if path.startswith("python/bindings/") else "tests" if path.startswith("tests/") else None


def check_includes(path, lines):
    """What is wrong with the #include lines of one C++ file, as messages."""
    floor = floor_of_file(path)
    if path.startswith("include/taper/") and floor is None:
        yield f"{path}: on which floor is it? Add it to PUBLIC in tests/check_floors.py"
        return
    if floor is not None and floor not in RANK:
        yield f"{path}: src/{floor}/ is no floor; the floors are in ORDER in tests/check_floors.py"
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        if path.startswith("include/"):
            if HEAVY.match(name):
                yield f"{path}:{number}: <{name}> is too heavy for a public header; include it in src/"
            elif quote == '"' and not name.startswith("taper/"):
                yield f'{path}:{number}: "{name}" is not public, so an installed Taper lacks it'
        target = floor_of_include(name)
        if floor and target and RANK[target] > RANK[floor]:
            yield f'{path}:{number}: the floor {floor} must not include "{name}" of the higher floor {target}'


def check_length(path, lines):
    """A message for a file that is too long."""
    if len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines; split it by meaning (at most {MAX_LINES})"


def check_width(path, lines):
    """Messages for lines that are too long."""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield f"{path}:{number}: {len(line)} columns (at most {MAX_COLUMNS})"


def source_files():
    """The repository's source files: those that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # unpacked from an archive
        listed = [str(p.relative_to(ROOT)) for folder in MEASURED for p in (ROOT / folder).rglob("*")]
    return sorted(
        {p for p in listed if p.startswith(MEASURED) and p.endswith(SOURCES) and (ROOT / p).is_file()}
    )


def main():
    messages, wide = [], []
    files = source_files()
    for path in files:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        messages += check_length(path, lines)
        wide += check_width(path, lines)
        if not path.endswith((".py", ".pyi")):
            messages += check_includes(path, lines)
    print("\n".join(messages), file=sys.stderr, end="\n" if messages else "")
    if wide:
        print(
            f"{len(wide)} lines are longer than {MAX_COLUMNS} columns, in {len({w.split(':')[0] for w in wide})} files; "
            "`make format` mends most"
        )
    print(f"floors: {len(files)} files, {len(messages)} faults")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
