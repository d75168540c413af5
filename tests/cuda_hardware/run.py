"""Everything about the CUDA backend that only a GPU can tell, as one page of Markdown.

    python tests/cuda_hardware/run.py [--report FILE] [--minutes N] [TEST_FILE...]

Runs the tests of tests/device_sim on the real device, or those files of them, a part of them under each
tool of compute-sanitizer where that is installed, and speeds.py. Each is a process of its own, so that a
fault that ends one, or leaves its device unusable, does not end the others, and the page is written as it
grows. Says so in one line, and ends well, where there is no GPU; ends with 1 where something failed.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests/device_sim"
SPEEDS = Path(__file__).with_name("speeds.py")
# What the sanitizer runs: it slows a kernel down a hundredfold.
SANITIZED = ("test_kernels_on_cuda.py", "test_training_on_cuda.py")
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
FEW = 20  # failures of a file that are told, and tried again alone

# Ends with 2 where there is no device, and otherwise with 0 only where it adds numbers.
DESCRIBE = """
import sys, taper
if not taper.cuda.is_available():
    print("no CUDA device, nothing was run:", taper.cuda.why_unavailable())
    sys.exit(2)
assert (taper.ones(6).to("cuda") + 1).sum().item() == 12
p = taper.cuda.get_device_properties()
print(f"- device: {p.name}, compute capability {p.major}.{p.minor}, "
      f"{p.multi_processor_count} multiprocessors, "
      f"{p.total_memory / 2**30:.1f} GiB; devices: {taper.cuda.device_count()}")
"""


class Page:
    """The lines of the report, which are printed and kept as they come."""

    def __init__(self, path):
        self.lines = []
        try:
            path.write_text("")
        except OSError as error:
            path = Path(tempfile.mkdtemp()) / path.name
            print(f"{error.strerror}: {error.filename}; the page is {path}")
        self.path = path

    def add(self, *lines):
        with contextlib.suppress(OSError):  # whoever read along may have stopped
            print(*lines, sep="\n", end="\n" if lines else "", flush=True)
        self.lines += lines
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def run(command, minutes=5.0):
    """A command's exit status and output; no status where it cannot start or does not end in time."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "python"),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "200",
        # No stand-ins: the libraries that the loader finds.
        "DEVICE_SIM_LIBRARIES": os.devnull,
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return None, str(error)
        try:
            status = process.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # what it started, too
        output.seek(0)
        return status, output.read()


def last_lines(output, count=1):
    return [line for line in output.splitlines() if line.strip()][-count:] or ["no output"]


def telling_lines(output):
    """Where the innermost frames of a process are that did not end well; else its last lines."""
    place = re.search(r"Fatal Python error.*|Timeout \(", output)
    return output[place.start() :].splitlines()[:15] if place else last_lines(output, 30)


def pytest(tests, minutes, prefix=()):
    """Runs tests: (whether all passed, the outcome in a line, name -> message of failures, the output)."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        options = ["-v", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=300", f"--junitxml={results}"]
        status, output = run([*prefix, sys.executable, "-m", "pytest", *options, *tests], minutes)
        cases = xml.etree.ElementTree.parse(results).iter("testcase") if results.exists() else ()
        failures = {}
        for case in cases:
            for problem in [*case.findall("failure"), *case.findall("error")]:
                failures[case.get("name")] = last_lines(problem.get("message", "").split("\n")[0])[0]
    counts = re.findall(r"^=*\s*(\d+ (?:passed|failed|error|skipped).* in .*?)[= ]*$", output, re.MULTILINE)
    end = "did not end in time" if status is None else f"ended with {status}"
    begun = re.findall(r"::(\w+\[.*\]|\w+)", output)
    said = counts[-1] if counts else f"{end}{f', in `{begun[-1]}`' if begun else ''}"
    return status == 0, said, failures, output


def test_file(page, file, minutes):
    """Runs a file's tests, and each that fails again alone: another's fault can leave the device unusable."""
    passed, said, failures, output = pytest([file], minutes)
    page.add(f"- {file.name}: {said}")
    for name, message in list(failures.items())[:FEW]:
        alone = pytest([f"{file}::{name}"], minutes)[0]
        page.add(f"  - `{name}`: {message[:200]}{' (passes alone)' if alone else ''}")
    if not passed and not failures:
        page.add("", "```", *telling_lines(output), "```", "")
    return passed


def sanitizer():
    """compute-sanitizer's path; None where it is not installed. The toolkit's folder is seldom in PATH."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda", "/opt/cuda"]
    folders = [f"{home}/{part}" for home in homes if home for part in ("bin", "compute-sanitizer")]
    return shutil.which("compute-sanitizer", path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


def test_under_tool(page, program, tool, minutes):
    """Runs tests under a tool of compute-sanitizer. Errors of calls are left to the tests: some want them."""
    good = True
    for name in SANITIZED:
        prefix = [program, "--tool", tool, "--report-api-errors", "no", "--error-exitcode", "9"]
        passed, said, failures, output = pytest([TESTS / name], minutes, prefix)
        good &= passed
        summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", output)
        page.add(f"- compute-sanitizer {tool}, {name}: {(summary or ['no summary'])[-1]}; {said}")
        page.add(*[f"  - `{name}`: {message[:200]}" for name, message in list(failures.items())[:FEW]])
        if not passed and not failures:
            found = [line for line in output.splitlines() if line.startswith("=========")]
            page.add("", "```", *(found[:40] or telling_lines(output)), "```", "")
    return good


def measured(framework, small):
    """(kind, name) -> what speeds.py says of it, and how it ended."""
    status, output = run([sys.executable, SPEEDS, framework, *(["--small"] if small else [])], 30)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {(line["kind"], line["name"]): line for line in lines}, status, last_lines(output)[0]


def speed_tables(page, small):
    """Times beside PyTorch's, where that is installed; rates of memory-bound operations beside a copy's."""
    ours, status, end = measured("taper", small)
    theirs, their_status, their_end = measured("torch", small)
    if their_status != 0:
        page.add("", f"PyTorch was not measured, or not whole: {their_end}")
    copy = ours.get(("bandwidth", "copy"), {})
    best = copy["amount"] / copy["seconds"] if "seconds" in copy else None
    page.add(
        "",
        "| | ms | rate | of a copy | PyTorch ms | times PyTorch's |",
        "| --- | --- | --- | --- | --- | --- |",
    )
    for (kind, name), line in ours.items():
        if "error" in line:
            page.add(f"| {name} | {line['error']} | | | | |")
            continue
        time, rate = line["seconds"], line["amount"] / line["seconds"]
        unit = {"bandwidth": f"{rate / 1e9:.0f} GB/s", "products": f"{rate / 1e12:.1f} TFLOP/s"}.get(kind, "")
        part = f"{rate / best:.2f}" if best and kind == "bandwidth" else ""
        other = theirs.get((kind, name), {}).get("seconds")
        beside = f"{other * 1e3:.3f} | {time / other:.2f}" if other else "|"
        page.add(f"| {name} | {time * 1e3:.3f} | {unit} | {part} | {beside} |")
    if status != 0:
        page.add("", f"Not all was measured: {end}")
    return status == 0 and not any("error" in line for line in ours.values())


def test_files(names):
    chosen = [TESTS / name for name in names] or [
        *sorted(TESTS.glob("test_*.py")),
        TESTS / "attention_by_cudnn.py",
        TESTS / "recurrent_by_cudnn.py",
    ]
    missing = [file.name for file in chosen if not file.exists()]
    if missing:
        sys.exit(f"tests/device_sim has no {', '.join(missing)}")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, default=Path("cuda_hardware.md"))
    parser.add_argument("--minutes", type=float, default=30, help="the most that each process may take")
    parser.add_argument(
        "--small", action="store_true", help="measure small tensors, to try this script itself"
    )
    parser.add_argument("tests", nargs="*", help="files of tests/device_sim, instead of all")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # whatever the locale's character set
    files = test_files(options.tests)
    status, described = run([sys.executable, "-c", DESCRIBE])
    if status != 0:
        print(last_lines(described)[0])
        return 0 if status == 2 else 1
    if run([sys.executable, "-m", "pytest", "--version"])[0] != 0:
        sys.exit(f"pytest is not installed for {sys.executable}: {sys.executable} -m pip install pytest")
    page = Page(options.report)
    driver = run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    commit = run(["git", "rev-parse", "HEAD"])
    said = [last_lines(output)[0] if status == 0 else "unknown" for status, output in (driver, commit)]
    page.add("# CUDA backend on hardware", "", time.strftime("%Y-%m-%d"), "", last_lines(described)[0])
    page.add(f"- driver: {said[0]}; source: {said[1]}", "", "## Tests", "")
    good = [test_file(page, file, options.minutes) for file in files]
    program = sanitizer()
    if program:
        good += [test_under_tool(page, program, tool, options.minutes) for tool in TOOLS]
    else:
        page.add("- compute-sanitizer is not installed")
    page.add("", "## Speed")
    good.append(speed_tables(page, options.small))
    print(f"the page is {page.path}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
