"""The program on the reader's first page runs and learns."""

import re
from pathlib import Path

import taper

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_python_program_learns(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.S)
    taper.manual_seed(0)
    exec(program, {})
    assert float(capsys.readouterr().out) < 0.1
