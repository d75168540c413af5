"""Whole training steps on "cuda": the loss curve of the CPU, without findings of the checks."""

import numpy as np
import pytest
import taper
from taper import nn


class Tagger(nn.Module):
    """Words to classes: an embedding, a layer norm and a layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.layer = nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(self.norm(self.embedding(x)).mean(1))


def perceptron():
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))


OPTIMIZERS = {
    "SGD": lambda parameters: taper.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: taper.optim.Adam(parameters, lr=0.01),
    "AdamW": lambda parameters: taper.optim.AdamW(parameters, lr=0.01),
}


def losses(device, model, make_optimizer, inputs, targets):
    model = model.to(device)
    optimizer = make_optimizer(model.parameters())
    x, y = inputs.to(device), targets.to(device)
    curve = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["perceptron", "tagger"])
def test_loss_curve(device, kind, optimizer):
    rng = np.random.default_rng(3)
    targets = taper.tensor(rng.integers(0, 3, 10))
    if kind == "perceptron":
        make, inputs = perceptron, taper.tensor(rng.normal(size=(10, 6)).astype(np.float32))
    else:
        make, inputs = Tagger, taper.tensor(rng.integers(0, 11, (10, 4)))
    curves = []
    for name in ("cpu", "cuda"):
        taper.manual_seed(0)
        curves.append(losses(name, make(), OPTIMIZERS[optimizer], inputs, targets))
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-5)
    assert curves[0][-1] < curves[0][0]
