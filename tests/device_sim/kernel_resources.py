"""Registers, stack and shared memory of every kernel in a library's machine code, beside a checked-in table.

    kernel_resources.py LIBRARY            fails where a kernel takes more than the table says, or isn't in it
    kernel_resources.py --write LIBRARY    writes the table, for all architectures in the library

The instances of a template are one line for each architecture: the largest number of registers and of shared bytes,
and the stack of all together, so that one register that one of them spills shows. The table holds for the compiler
that it names; under another one nothing is compared, and no architecture that only one of both has.
"""

import argparse
import csv
import ctypes
import re
import struct
import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("kernel_resources.csv")
COLUMNS = ["architecture", "kernel", "instances", "registers", "stack_bytes", "shared_bytes"]
MAGIC = struct.pack("<I", 0xBA55ED50)
MACHINE_CODE, ZSTD = 2, 0x8000
FRAME_SIZE, REGISTERS = 0x11, 0x2F  # attributes of .nv.info: a symbol and its number


def plain(image, header):
    """An image as it was before nvcc's --compress-mode=size."""
    flags, _, size = struct.unpack_from("<QQQ", header, 40)
    if not flags & ZSTD:
        return image
    result = ctypes.create_string_buffer(size)
    compressed = struct.unpack_from("<I", header, 16)[0]
    done = ctypes.CDLL("libzstd.so.1").ZSTD_decompress(
        result, ctypes.c_size_t(size), image, ctypes.c_size_t(compressed)
    )
    return result.raw if done == size else b""


def cubins_of(path):
    """(architecture, ELF image) of the machine code in the fat binaries of a library, plain or by zstd."""
    data = path.read_bytes()
    at = data.find(MAGIC)
    while at >= 0:
        header, size = struct.unpack_from("<HQ", data, at + 6)
        entry, end = at + header, at + header + size
        while entry + 16 <= end:
            kind, _, entry_header, entry_size = struct.unpack_from("<HHIQ", data, entry)
            image = data[entry + entry_header : entry + entry_header + entry_size]
            if kind == MACHINE_CODE:
                image = plain(image, data[entry : entry + entry_header])
                if image[:4] == b"\x7fELF":
                    yield f"sm_{struct.unpack_from('<I', data, entry + 28)[0]}", image
            entry += entry_header + entry_size
        at = data.find(MAGIC, end)


def text_at(image, offset):
    return image[offset : image.index(b"\0", offset)].decode()


def sections_of(image):
    """{name: (its bytes' place, their number)}"""
    place = struct.unpack_from("<Q", image, 0x28)[0]
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQII", image, place + i * size) for i in range(count)]
    return {text_at(image, headers[names][4] + h[0]): (h[4], h[5]) for h in headers}


def attributes_of(image, sections):
    """{attribute: {name of a function: its number}} of FRAME_SIZE and REGISTERS."""
    place, size = sections[".nv.info"]
    symbols, names = sections[".symtab"][0], sections[".strtab"][0]
    found, at = {FRAME_SIZE: {}, REGISTERS: {}}, place
    while at < place + size:
        form, attribute, length = struct.unpack_from("<BBH", image, at)
        if form == 4 and attribute in found:
            symbol, number = struct.unpack_from("<II", image, at + 4)
            name = struct.unpack_from("<I", image, symbols + 24 * symbol)[0]
            found[attribute][text_at(image, names + name)] = number
        at += 4 + (length if form == 4 else 0)
    return found


def measure(image):
    """{mangled name: (registers, stack bytes, shared bytes)}"""
    sections = sections_of(image)
    attributes = attributes_of(image, sections)
    kernels = {}
    for section in sections:
        if section.startswith(".text."):
            name = section.removeprefix(".text.")
            shared = sections.get(f".nv.shared.{name}", (0, 0))[1]
            kernels[name] = (attributes[REGISTERS][name], attributes[FRAME_SIZE].get(name, 0), shared)
    return kernels


def demangled(names):
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def short(name):
    """The name without its return type, template arguments, parameters, and the architectures that CUB adds."""
    depth, kept = 0, []
    for character in re.sub(r"_SM_[0-9_]+::", "::", name.replace("(anonymous namespace)::", "")):
        depth += character == "<"
        if depth == 0:
            kept.append(character)
        depth -= character == ">"
    return "".join(kept).split("(", 1)[0].split(" ")[-1]


def summary(kernels):
    """{(architecture, name): the numbers of its line}"""
    rows = {}
    names = demangled([name for _, name in kernels])
    for (architecture, _), name, (registers, stack, shared) in zip(kernels, names, kernels.values()):
        row = rows.setdefault((architecture, short(name)), [0, 0, 0, 0])
        row[:] = row[0] + 1, max(row[1], registers), row[2] + stack, max(row[3], shared)
    return {key: rows[key] for key in sorted(rows)}


def compiler_of(path):
    """The version of ptxas that made the machine code, as it stands there."""
    data = path.read_bytes()
    at = data.find(b"Cuda compilation tools, release ")
    return data[at : data.index(b"\0", at)].decode() if at >= 0 else "unknown"


def read_table():
    with TABLE.open() as file:
        compiler = file.readline().removeprefix("# ").strip()
        return compiler, {(row[0], row[1]): [int(x) for x in row[2:]] for row in list(csv.reader(file))[1:]}


def write_table(compiler, rows):
    with TABLE.open("w", newline="") as file:
        file.write(f"# {compiler}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([*key, *row] for key, row in rows.items())


def differences(known, rows):
    for key, row in rows.items():
        before = known.get(key)
        if before is None:
            yield f"{key} is not in the table"
            continue
        for column, now, then in zip(COLUMNS[3:], row[1:], before[1:]):
            if now > then:
                yield f"{key}: {now} {column}, the table has {then}"
    yield from (f"{key} is in the table, but there is no such kernel" for key in known.keys() - rows.keys())


def of_architectures(rows, architectures):
    return {key: row for key, row in rows.items() if key[0] in architectures}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("library", type=Path)
    options = parser.parse_args()
    kernels = {
        (architecture, name): numbers
        for architecture, image in cubins_of(options.library)
        for name, numbers in measure(image).items()
    }
    compiler, rows = compiler_of(options.library), summary(kernels)
    if options.write:
        return write_table(compiler, rows)
    known_compiler, known = read_table()
    if compiler != known_compiler:
        return print(f"not compared: the table is for {known_compiler}, the library is of {compiler}")
    both = {key[0] for key in known} & {key[0] for key in rows}
    problems = list(differences(of_architectures(known, both), of_architectures(rows, both)))
    print(
        "\n".join(problems)
        or f"{len(kernels)} kernels take no more than the table says ({', '.join(sorted(both))})"
    )
    if problems:
        sys.exit(f"If this is meant: {sys.argv[0]} --write {options.library}")


if __name__ == "__main__":
    main()
