"""Registers, spills and memory of every kernel, as ptxas tells them for sm_80, beside a checked-in table.

    kernel_resources.py --nvcc NVCC OBJECT...            fails where a kernel spills or differs from the table
    kernel_resources.py --nvcc NVCC --write OBJECT...    writes the table

The instances of a template are one line, with the largest numbers among them. The numbers hold for one version of
nvcc, which the table names; under another version only new spills fail.
"""

import argparse
import csv
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

TABLE = Path(__file__).with_name("kernel_resources.csv")
COLUMNS = ["kernel", "instances", "registers", "spill_bytes", "stack_bytes", "shared_bytes"]
MAGIC = struct.pack("<I", 0xBA55ED50)
PTX_ENTRY = 1


def ptx_of(path):
    """The PTX texts in the fat binaries of an object, uncompressed ones only."""
    data = path.read_bytes()
    at = data.find(MAGIC)
    while at >= 0:
        header, size = struct.unpack_from("<HQ", data, at + 6)
        entry, end = at + header, at + header + size
        while entry + 16 <= end:
            kind, _, entry_header, entry_size = struct.unpack_from("<HHIQ", data, entry)
            if kind == PTX_ENTRY:
                yield data[entry + entry_header : entry + entry_header + entry_size].rstrip(b"\0")
            entry += entry_header + entry_size
        at = data.find(MAGIC, end)


def compile_ptx(ptxas, text):
    """What ptxas says about the kernels of one PTX text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernels.ptx"
        source.write_bytes(text)
        command = [ptxas, "-v", "-arch=sm_80", str(source), "-o", str(Path(folder) / "kernels.cubin")]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stderr


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def measure(output):
    """{mangled name: (registers, spill bytes, stack bytes, shared bytes)}"""
    kernels = {}
    for part in output.split("Compiling entry function '")[1:]:
        name = part.split("'", 1)[0]
        spills = number(r"(\d+) bytes spill stores", part) + number(r"(\d+) bytes spill loads", part)
        kernels[name] = (
            number(r"Used (\d+) registers", part),
            spills,
            number(r"(\d+) bytes stack frame", part),
            number(r"(\d+) bytes smem", part),
        )
    return kernels


def demangled(names):
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def short(name):
    """The name without its return type, template arguments and parameters."""
    name = name.replace("(anonymous namespace)::", "")
    depth, kept = 0, []
    for character in name:
        depth += character == "<"
        if depth == 0:
            kept.append(character)
        depth -= character == ">"
    return "".join(kept).split("(", 1)[0].split(" ")[-1]


def summary(kernels):
    rows = {}
    for name, numbers in zip(demangled(kernels), kernels.values()):
        row = rows.setdefault(short(name), [0, 0, 0, 0, 0])
        row[0] += 1
        row[1:] = [max(a, b) for a, b in zip(row[1:], numbers)]
    return {name: [str(x) for x in rows[name]] for name in sorted(rows)}


def version_of(nvcc):
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"V(\d+\.\d+)", text)[1]


def read_table():
    with TABLE.open() as file:
        version = file.readline().split()[-1]
        return version, {row[0]: row[1:] for row in list(csv.reader(file))[1:]}


def write_table(version, rows):
    with TABLE.open("w", newline="") as file:
        file.write(f"# sm_80, nvcc {version}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([name, *row] for name, row in rows.items())


def differences(version, rows):
    known_version, known = read_table()
    for name, row in rows.items():
        before = known.get(name)
        if row[2] != "0" and (before is None or int(row[2]) > int(before[2])):
            yield f"{name} spills {row[2]} bytes"
        if known_version == version and before != row:
            yield f"{name}: {row}, the table has {before} ({', '.join(COLUMNS[1:])})"
    if known_version == version:
        yield from (
            f"{name} is in the table, but there is no such kernel" for name in known.keys() - rows.keys()
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("objects", nargs="+", type=Path)
    options = parser.parse_args()
    ptxas = Path(options.nvcc).resolve().with_name("ptxas")
    kernels = {}
    for path in options.objects:
        for text in ptx_of(path):
            kernels |= measure(compile_ptx(ptxas, text))
    version, rows = version_of(options.nvcc), summary(kernels)
    if options.write:
        return write_table(version, rows)
    problems = list(differences(version, rows))
    print("\n".join(problems) or f"{len(kernels)} kernels as the table says")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
