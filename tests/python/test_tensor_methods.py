"""The methods of Tensor in C++ are those that the headers and the registry give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_generated_files_are_up_to_date():
    command = [sys.executable, ROOT / "scripts/tensor_methods.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
