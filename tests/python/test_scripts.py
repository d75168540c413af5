"""Programs as PyTorch's users write them, run on Taper, end with the numbers that PyTorch got.

scripts/expected.json holds what the same scripts printed with `torch` in place of `taper` (PyTorch 2.15, one thread).
"""

import json
import pathlib
import re
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent / "scripts"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_script_gets_pytorchs_numbers(name):
    done = subprocess.run(
        [sys.executable, f"{name}.py"], cwd=FOLDER, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    results = [(key, float(value)) for key, value in re.findall(r"^RESULT (\S+) (\S+)$", done.stdout, re.M)]
    assert [key for key, _ in results] == [key for key, _ in EXPECTED[name]]
    # float32 over a few steps of training: sums in another order.
    for (key, value), (_, expected) in zip(results, EXPECTED[name]):
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-6), key
