"""The type stubs: mypy accepts a program of the usual kind and refuses a wrong one."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy")

PROGRAM = """
import taper
from taper import Tensor, nn
from taper.utils.data import DataLoader, Dataset


class Squares(Dataset):
    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x = taper.full((4,), float(index))
        return x, x.square().sum(dim=0)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(1)


net = Net()
optimizer = taper.optim.Adam(net.parameters(), lr=1e-3)
schedule = taper.optim.lr_scheduler.StepLR(optimizer, step_size=10)
for x, y in DataLoader(Squares(), batch_size=16, shuffle=True):
    loss: Tensor = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
values, indices = taper.randn(3, 4, dtype=taper.float64).max(dim=1)
best: Tensor = taper.topk(values, 2).indices
shape: taper.Size = best.shape
with taper.no_grad():
    total: Tensor = (values * 2 + 1)[0] @ taper.eye(3)
"""

WRONG = """
import taper

taper.relu("text")
taper.zeros(2, 3, dtype=3)
count: str = taper.ones(2).numel()
"""


def mypy(folder, text):
    path = folder / "program.py"
    path.write_text(text)
    package = pathlib.Path(__file__).resolve().parents[2] / "python"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--no-error-summary",
            "--cache-dir",
            str(folder / "cache"),
            "--follow-imports=silent",
            str(path),
        ],
        capture_output=True,
        text=True,
        env={"MYPYPATH": str(package), "PATH": ""},
    )
    return done.stdout.splitlines()


def test_a_training_program_is_well_typed_and_mistakes_are_found(tmp_path):
    assert mypy(tmp_path, PROGRAM) == []
    found = mypy(tmp_path, WRONG)
    assert [int(line.split(":")[1]) for line in found if "error" in line] == [4, 5, 6]
