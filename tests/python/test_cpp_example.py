"""examples/cpp/mnist.cc goes on from its checkpoint after a kill, to the same bits."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import taper

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "build/tests/mnist_example"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the C++ tests are not built")
def test_a_killed_training_resumes(tmp_path):
    digits = np.load(ROOT / "examples/data/mnist5k.npz")
    few = tmp_path / "few.npz"
    np.savez(few, images=digits["images"][:400], labels=digits["labels"][:400])
    command = [EXAMPLE, few, "3"]
    whole = subprocess.run(
        [*command, tmp_path / "whole"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    with subprocess.Popen(
        [*command, tmp_path / "part"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as p:
        first = p.stdout.readline()
        p.kill()
    rest = subprocess.run(
        [*command, tmp_path / "part"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    # The kill may have come after a further epoch.
    lines = whole.stdout.splitlines()
    assert first.strip() == lines[0]
    assert rest.stdout.splitlines() == lines[-len(rest.stdout.splitlines()) :]
    a, b = taper.load(tmp_path / "whole"), taper.load(tmp_path / "part")
    assert all(taper.equal(a["model"][name], b["model"][name]) for name in a["model"])
    assert taper.equal(a["random"], b["random"]) and a["epoch"] == b["epoch"] == 3
