"""Everything about the CUDA backend that only a GPU can tell, as one page of Markdown.

    python tests/cuda_hardware/run.py [--report FILE]    says so in one line, and ends well, where there is no GPU

Runs the tests of tests/device_sim on the real device, a part of them under compute-sanitizer where that is installed,
and speeds.py. Ends with 1 where a test failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT)]
TESTS = "tests/device_sim"
# What the sanitizer runs: it slows a kernel down a hundredfold.
SANITIZED = [f"{TESTS}/test_kernels_on_cuda.py", f"{TESTS}/test_training_on_cuda.py"]
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")


def environment():
    # No stand-ins: the libraries that the loader finds.
    return os.environ | {"PYTHONPATH": str(ROOT / "python"), "DEVICE_SIM_LIBRARIES": os.devnull}


def pytest(files, prefix=()):
    """Runs tests on the device: (whether all passed, pytest's last line, the output)."""
    command = [*prefix, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    output = done.stdout + done.stderr
    found = re.findall(r"^.*(?:passed|failed|error|skipped).* in .*$", done.stdout, re.MULTILINE)
    return done.returncode == 0, (found or [f"ended with {done.returncode}"])[-1].strip("= "), output


def failures(output):
    return [f"- `{line.split(' - ')[0][7:]}`" for line in output.splitlines() if line.startswith("FAILED ")]


def sanitizer(tool):
    """What one tool of compute-sanitizer says."""
    passed, last, output = pytest(SANITIZED, ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9"])
    summary = re.findall(r"ERROR SUMMARY: .*|RACECHECK SUMMARY: .*", output)
    return passed, f"{(summary or ['no summary'])[-1]}; {last}", output


def device_lines(taper):
    properties = taper.cuda.get_device_properties()
    smi = shutil.which("nvidia-smi")
    driver = "unknown"
    if smi:
        query = [smi, "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True).stdout.split("\n")[0]
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return [
        f"- device: {properties.name}, compute capability {properties.major}.{properties.minor}, "
        f"{properties.multi_processor_count} multiprocessors, {properties.total_memory / 2**30:.1f} GiB",
        f"- driver: {driver}; devices: {taper.cuda.device_count()}; source: {commit or 'unknown'}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, default=Path("cuda_hardware.md"))
    options = parser.parse_args()
    import taper

    if not taper.cuda.is_available():
        print(f"no CUDA device, nothing was run: {taper.cuda.why_unavailable()}")
        return 0
    lines = [
        "# CUDA backend on hardware",
        "",
        time.strftime("%Y-%m-%d"),
        "",
        *device_lines(taper),
        "",
        "## Tests",
        "",
    ]
    good, last, output = pytest([TESTS, f"{TESTS}/attention_by_cudnn.py", f"{TESTS}/recurrent_by_cudnn.py"])
    lines += [f"- on the device: {last}", *failures(output)]
    if shutil.which("compute-sanitizer"):
        for tool in TOOLS:
            passed, said, output = sanitizer(tool)
            good &= passed
            lines += [f"- compute-sanitizer {tool}: {said}", *failures(output)]
    else:
        lines.append("- compute-sanitizer is not installed")
    from speeds import tables

    lines += ["", *tables()]
    options.report.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
