"""Registers, stack and shared memory of every kernel in the machine code for sm_80, beside a checked-in table.

    kernel_resources.py LIBRARY            fails where a kernel takes more than the table says, or isn't in it
    kernel_resources.py --write LIBRARY    writes the table

The instances of a template are one line, with the largest numbers among them. The table holds for the compiler that
it names; under another one nothing is compared. Spilled registers do not show here: the build refuses them.
"""

import argparse
import csv
import ctypes
import struct
import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("kernel_resources.csv")
COLUMNS = ["kernel", "instances", "registers", "stack_bytes", "shared_bytes"]
MAGIC = struct.pack("<I", 0xBA55ED50)
MACHINE_CODE, ZSTD = 2, 0x8000
ARCHITECTURE = 80
FRAME_SIZE = 0x11  # an attribute of .nv.info: symbol and bytes


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
    """The ELF images of machine code for sm_80 in the fat binaries of a library, plain or by zstd."""
    data = path.read_bytes()
    at = data.find(MAGIC)
    while at >= 0:
        header, size = struct.unpack_from("<HQ", data, at + 6)
        entry, end = at + header, at + header + size
        while entry + 16 <= end:
            kind, _, entry_header, entry_size = struct.unpack_from("<HHIQ", data, entry)
            image = data[entry + entry_header : entry + entry_header + entry_size]
            architecture = struct.unpack_from("<I", data, entry + 28)[0]
            if kind == MACHINE_CODE and architecture == ARCHITECTURE:
                image = plain(image, data[entry : entry + entry_header])
                if image[:4] == b"\x7fELF":
                    yield image
            entry += entry_header + entry_size
        at = data.find(MAGIC, end)


def text_at(image, offset):
    return image[offset : image.index(b"\0", offset)].decode()


def sections_of(image):
    """{name: (its bytes' place, their number, the section's information word)}"""
    place = struct.unpack_from("<Q", image, 0x28)[0]
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQII", image, place + i * size) for i in range(count)]
    return {text_at(image, headers[names][4] + h[0]): (h[4], h[5], h[7]) for h in headers}


def frames_of(image, sections):
    """{name of a function: bytes of its stack frame}"""
    place, size, _ = sections[".nv.info"]
    symbols, names = sections[".symtab"][0], sections[".strtab"][0]
    frames, at = {}, place
    while at < place + size:
        form, attribute, length = struct.unpack_from("<BBH", image, at)
        if form == 4 and attribute == FRAME_SIZE:
            symbol, frame = struct.unpack_from("<II", image, at + 4)
            name = struct.unpack_from("<I", image, symbols + 24 * symbol)[0]
            frames[text_at(image, names + name)] = frame
        at += 4 + (length if form == 4 else 0)
    return frames


def measure(image):
    """{mangled name: (registers, stack bytes, shared bytes)}"""
    sections = sections_of(image)
    frames = frames_of(image, sections)
    kernels = {}
    for section, (_, _, information) in sections.items():
        if section.startswith(".text."):
            name = section.removeprefix(".text.")
            shared = sections.get(f".nv.shared.{name}", (0, 0, 0))[1]
            kernels[name] = (information >> 24, frames.get(name, 0), shared)
    return kernels


def demangled(names):
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def short(name):
    """The name without its return type, template arguments and parameters."""
    depth, kept = 0, []
    for character in name.replace("(anonymous namespace)::", ""):
        depth += character == "<"
        if depth == 0:
            kept.append(character)
        depth -= character == ">"
    return "".join(kept).split("(", 1)[0].split(" ")[-1]


def summary(kernels):
    rows = {}
    for name, numbers in zip(demangled(kernels), kernels.values()):
        row = rows.setdefault(short(name), [0, 0, 0, 0])
        row[0] += 1
        row[1:] = [max(a, b) for a, b in zip(row[1:], numbers)]
    return {name: rows[name] for name in sorted(rows)}


def compiler_of(path):
    """The version of ptxas that made the machine code, as it stands there."""
    data = path.read_bytes()
    at = data.find(b"Cuda compilation tools, release ")
    return data[at : data.index(b"\0", at)].decode() if at >= 0 else "unknown"


def read_table():
    with TABLE.open() as file:
        compiler = file.readline().removeprefix(f"# sm_{ARCHITECTURE}, ").strip()
        return compiler, {row[0]: [int(x) for x in row[1:]] for row in list(csv.reader(file))[1:]}


def write_table(compiler, rows):
    with TABLE.open("w", newline="") as file:
        file.write(f"# sm_{ARCHITECTURE}, {compiler}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([name, *row] for name, row in rows.items())


def differences(known, rows):
    for name, row in rows.items():
        before = known.get(name)
        if before is None:
            yield f"{name} is not in the table"
            continue
        for column, now, then in zip(COLUMNS[2:], row[1:], before[1:]):
            if now > then:
                yield f"{name}: {now} {column}, the table has {then}"
    yield from (f"{name} is in the table, but there is no such kernel" for name in known.keys() - rows.keys())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("library", type=Path)
    options = parser.parse_args()
    kernels = {}
    for image in cubins_of(options.library):
        kernels |= measure(image)
    compiler, rows = compiler_of(options.library), summary(kernels)
    if options.write:
        return write_table(compiler, rows)
    known_compiler, known = read_table()
    if compiler != known_compiler:
        return print(f"not compared: the table is for {known_compiler}, the library is of {compiler}")
    problems = list(differences(known, rows))
    print("\n".join(problems) or f"{len(kernels)} kernels take no more than the table says")
    if problems:
        sys.exit(f"If this is meant: {sys.argv[0]} --write {options.library}")


if __name__ == "__main__":
    main()
