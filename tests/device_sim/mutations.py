"""Plants faults into the CUDA backend's own sources, one at a time, and shows that a test finds each.

    mutations.py [--build BUILD] [--jobs N] [--again] [NAME...]

Of all faults, or of those whose file or description contains a NAME. A fault of planted_faults.py is a text
of a source and what stands in its place. The source with the fault is compiled to PTX, linked with the
build's other objects into a scratch library, and its tests run on that: one must fail. All must pass
without a fault. What was found is noted in the build, so that a run that was interrupted goes on where it
was: a fault is looked for again where it, its source or its tests changed, or where --again asks for all.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from planted_faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TEST_SECONDS = 900


def command_of(build, source):
    """How the build compiles a source, for one architecture's PTX and without what names the output."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if Path(entry["file"]) == ROOT / "cuda" / source:
            words = shlex.split(entry["command"])
            break
    else:
        raise RuntimeError(f"cuda/{source} is not in {build}/compile_commands.json")
    if source.endswith(".cu"):
        words = [word for word in words if "-gencode" not in word and "-generate-code" not in word]
        words.insert(words.index("-c"), "--generate-code=arch=compute_80,code=compute_80")
    # The host's code need not be fast, and a fault may leave a variable unused.
    words = [word for word in words if "all-warnings" not in word and word not in ("-Werror", "-O3", "-O2")]
    output = words.index("-o")
    del words[output : output + 2]
    return words[: words.index("-c")]


def compile_with(fault, build, folder):
    """The object of the fault's source, with the fault."""
    text = (ROOT / "cuda" / fault.file).read_text()
    if text.count(fault.old) != 1:
        raise RuntimeError(f"stands in its source {text.count(fault.old)} times, not once: {fault.old!r}")
    (folder / "cuda").mkdir()
    (folder / "cuda" / fault.file).write_text(text.replace(fault.old, fault.new))
    at = folder / "cuda" / fault.source
    if not at.exists():
        at.write_text((ROOT / "cuda" / fault.source).read_text())
    words = command_of(build, fault.source)
    first = next(k for k, word in enumerate(words) if word.startswith("-I"))
    words.insert(first, f"-I{folder}")  # before the folder of the sources without the fault
    checked([*words, "-w", "-c", at, "-o", folder / "faulty.o"], build)
    return folder / "faulty.o"


def checked(command, folder):
    """Runs a command that must succeed, quietly where it does."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stdout}{done.stderr}")


def link(build, folder, source, faulty):
    objects = build / "cuda/CMakeFiles/taper_cuda.dir"
    rest = [path for path in objects.glob("*.o") if path.name != f"{source}.o"]
    library = folder / "libtaper_cuda.so"
    simulated = build / "tests/device_sim/lib"
    run_times = [
        str(next(simulated.glob(f"lib{name}.so.[0-9]*"))) for name in ("cudart", "cublas", "cublasLt")
    ]
    checked(["c++", "-shared", "-o", library, faulty, *rest, f"-L{build}", "-ltaper", *run_times], build)
    return library


def run_tests(tests, build, library=None):
    """What the tests found, in a line; None where all passed. RuntimeError where they could not run."""
    file, *chosen = shlex.split(tests)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "python"),
        "DEVICE_SIM_LIBRARIES": str(build / "tests/device_sim/lib"),
    }
    if library:
        environment["TAPER_CUDA_LIBRARY"] = str(library)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", HERE / file, *chosen]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"the tests did not end within {TEST_SECONDS} s"
    if done.returncode < 0:
        return f"the tests ended with signal {-done.returncode}"
    if done.returncode > 1 or not re.search(r"\d (passed|failed|error)", done.stdout):
        raise RuntimeError(f"{tests} runs nothing:\n{done.stdout}{done.stderr}")
    if done.returncode == 0:
        return None
    lines = [line[1:].strip() for line in done.stdout.splitlines() if line.startswith("E ")]
    telling = [line for line in lines if re.search(r"\w", line)] or ["a test failed"]
    checks = r"race|bounds|uninit|misaligned|barrier|illegal|free"
    return next((line for line in telling if re.search(checks, line)), telling[0])


def find(fault, build):
    """What found the fault; None where nothing did."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faulty = compile_with(fault, build, folder)
        return run_tests(fault.tests, build, link(build, folder, fault.source, faulty))


class Notes:
    """What was found in earlier runs, in a file of the build: a line for each fault as it was."""

    def __init__(self, build):
        self.file = build / "mutations.txt"
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.found = set(lines)

    def digest(self, fault):
        texts = [repr(fault)]
        for path in {ROOT / "cuda" / fault.file, ROOT / "cuda" / fault.source, HERE / fault.tests.split()[0]}:
            texts.append(path.read_text())
        return hashlib.sha256("\0".join(sorted(texts)).encode()).hexdigest()

    def knows(self, fault):
        return self.digest(fault) in self.found

    def add(self, fault):
        with self.file.open("a") as file:
            file.write(self.digest(fault) + "\n")


def verdict(fault, build, broken):
    """The fault's verdict, and what tells more of it."""
    if fault.tests in broken:
        return "UNTRIED", f"its tests fail without a fault: {broken[fault.tests]}"
    try:
        why = find(fault, build)
    except RuntimeError as error:
        return "UNTRIED", str(error)
    return ("MISSED", "") if why is None else ("found", why)


def fails_without_a_fault(tests, build):
    try:
        return run_tests(tests, build)
    except RuntimeError as error:
        return str(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--again", action="store_true", help="look for faults that were found before, too")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    build, notes, began = options.build.resolve(), Notes(options.build), time.monotonic()
    chosen = [
        f for f in FAULTS if not options.names or any(n in f.file or n in f.what for n in options.names)
    ]
    left = [fault for fault in chosen if options.again or not notes.knows(fault)]
    print(f"{len(chosen)} faults, of which {len(chosen) - len(left)} were found before", flush=True)
    failed = []
    pool = ThreadPoolExecutor(options.jobs)
    try:
        selections = list(dict.fromkeys(fault.tests for fault in left))
        results = pool.map(lambda tests: fails_without_a_fault(tests, build), selections)
        broken = {tests: why for tests, why in zip(selections, results) if why is not None}
        print(f"{len(selections)} selections of tests, {len(broken)} fail without a fault", flush=True)
        for fault, (word, why) in zip(left, pool.map(lambda fault: verdict(fault, build, broken), left)):
            print(f"{word:8}{fault.file}: {fault.what}: {why}"[:240].rstrip(": "), flush=True)
            if word == "found":
                notes.add(fault)
            else:
                failed.append(f"{word:8}{fault.file}: {fault.what}")
    finally:
        pool.shutdown(cancel_futures=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{len(chosen) - len(failed)} of {len(chosen)} faults were found; {minutes:.0f} minutes")
    print(*failed, sep="\n", end="\n" if failed else "")
    sys.exit(len(failed) > 0)


if __name__ == "__main__":
    main()
