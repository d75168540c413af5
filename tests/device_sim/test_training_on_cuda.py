"""Whole training steps on "cuda": the loss curve of the CPU, without findings of the checks."""

import contextlib

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn import functional as F


class Tagger(nn.Module):
    """Words to classes: an embedding, a layer norm and a layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.layer = nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(self.norm(self.embedding(x)).mean(1))


class Block(nn.Module):
    """A transformer's block with causal attention (Radford et al. 2019)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (
            y.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for y in self.qkv(self.norm1(x)).split(c, 2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.out(y.transpose(1, 2).reshape(b, t, c)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class Gpt(nn.Module):
    """Words to the words that follow them, whose loss is at each place."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(11, 16), nn.Embedding(4, 16)
        self.block, self.norm = Block(16, 2), nn.LayerNorm(16)

    def forward(self, x):
        y = self.words(x) + self.places(taper.arange(x.shape[1], device=x.device))
        return (self.norm(self.block(y)) @ self.words.weight.T)[:, -1]


class Lstm(nn.Module):
    """Words to classes, by the last state of two layers."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(11, 6), nn.LSTM(6, 8, num_layers=2, batch_first=True)
        self.layer = nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(self.lstm(self.embedding(x))[0][:, -1])


def perceptron():
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(6, 3),
    )


MODELS = {
    "perceptron": (perceptron, (10, 6)),
    "convolutional": (convolutional, (6, 2, 10, 10)),
    "tagger": (Tagger, None),
    "gpt": (Gpt, None),
    "lstm": (Lstm, None),
}
OPTIMIZERS = {
    "SGD": lambda parameters: taper.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: taper.optim.Adam(parameters, lr=0.01),
    "AdamW": lambda parameters: taper.optim.AdamW(parameters, lr=0.01),
}


def data_of(kind):
    rng = np.random.default_rng(3)
    shape = MODELS[kind][1]
    if shape is None:
        return taper.tensor(rng.integers(0, 11, (8, 4))), taper.tensor(rng.integers(0, 3, 8))
    inputs = taper.tensor(rng.normal(size=shape).astype(np.float32))
    return inputs, taper.tensor(rng.integers(0, 3, shape[0]))


def losses(place, kind, make_optimizer, steps=4, half=None):
    """The losses of some steps; with half, under autocast in that type and with scaled gradients."""
    taper.manual_seed(0)
    model = MODELS[kind][0]().to(place)
    taper.manual_seed(1)  # the CPU's generator, and not the GPU's, has made the parameters
    optimizer = make_optimizer(model.parameters())
    scaler = taper.amp.GradScaler(place, init_scale=2.0**10, enabled=half is not None)
    x, y = (t.to(place) for t in data_of(kind))
    curve = []
    for _ in range(steps):
        optimizer.zero_grad()
        with taper.autocast(place, dtype=half) if half else contextlib.nullcontext():
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        curve.append(loss.item())
    return curve


def assert_trains_as_on_the_cpu(kind, optimizer, tolerance, **options):
    expected = losses("cpu", kind, OPTIMIZERS[optimizer], **options)
    got = losses("cuda", kind, OPTIMIZERS[optimizer], **options)
    np.testing.assert_allclose(got, expected, rtol=tolerance)
    assert expected[-1] < expected[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_loss_curve_of_each_optimizer(device, optimizer):
    assert_trains_as_on_the_cpu("perceptron", optimizer, 1e-5)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "perceptron"])
def test_loss_curve_of_each_model(device, kind):
    assert_trains_as_on_the_cpu(kind, "AdamW", 1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_loss_curve_under_autocast_with_scaled_gradients(device, kind):
    assert_trains_as_on_the_cpu(kind, "AdamW", 2e-2, steps=3, half=taper.bfloat16)


def test_steps_with_infinite_gradients_are_left_out(device):
    parameter = nn.Parameter(taper.ones(3, device="cuda"))
    optimizer = taper.optim.SGD([parameter], lr=0.5)
    scaler = taper.amp.GradScaler("cuda", init_scale=4.0)
    for factor in (float("inf"), 2.0):
        optimizer.zero_grad()
        scaler.scale((parameter * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 2.0
    assert taper.equal(parameter.detach().cpu(), taper.zeros(3))
