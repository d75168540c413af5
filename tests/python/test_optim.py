"""Optimizers follow their formulas, written here with NumPy, for five steps."""

import copy

import numpy as np
import pytest

import taper
from taper import nn, optim


def gradient(p):
    return 2 * p + np.array([1.0, -2.0, 0.5])


def sgd(p, s, t, lr=0.1, momentum=0.9, weight_decay=0.1):
    g = gradient(p) + weight_decay * p
    s["m"] = g if t == 1 else momentum * s["m"] + g
    return p - lr * (g + momentum * s["m"])


def adam(p, s, t, lr=0.01, decay=0.0, l2=0.1):
    g = gradient(p) + l2 * p
    p = p * (1 - lr * decay)
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    return p - lr * (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def adamw(p, s, t):
    return adam(p, s, t, decay=0.05, l2=0.0)


def rmsprop(p, s, t, lr=0.01):
    g = gradient(p)
    s["v"] = 0.99 * s.get("v", 0) + 0.01 * g * g
    s["g"] = 0.99 * s.get("g", 0) + 0.01 * g
    s["b"] = 0.5 * s.get("b", 0) + g / (np.sqrt(s["v"] - s["g"] ** 2) + 1e-8)
    return p - lr * s["b"]


def adagrad(p, s, t, lr=0.1):
    g = gradient(p)
    s["v"] = s.get("v", 0) + g * g
    return p - lr / (1 + (t - 1) * 0.1) * g / (np.sqrt(s["v"]) + 1e-10)


CASES = {
    "sgd": (sgd, optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": (adam, optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": (adamw, optim.AdamW, {"lr": 0.01, "weight_decay": 0.05}),
    "rmsprop": (rmsprop, optim.RMSprop, {"lr": 0.01, "momentum": 0.5, "centered": True}),
    "adagrad": (adagrad, optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
}
START = np.array([0.3, -0.7, 1.5])


def step(p, optimizer):
    p.grad = taper.tensor(gradient(p.detach().numpy()))
    optimizer.step()


@pytest.mark.parametrize("name", CASES)
def test_formula(name):
    formula, kind, options = CASES[name]
    p, want, state = nn.Parameter(taper.tensor(START)), START, {}
    optimizer = kind([p], **options)
    for t in range(1, 6):
        want = formula(want, state, t)
        step(p, optimizer)
        np.testing.assert_allclose(p.detach().numpy(), want, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_state_dict_continues(name):
    _, kind, options = CASES[name]
    p = nn.Parameter(taper.tensor(START))
    optimizer = kind([p], **options)
    for _ in range(3):
        step(p, optimizer)
    q = nn.Parameter(p.detach().clone())
    other = kind([q], **options)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(2):
        step(p, optimizer)
        step(q, other)
    assert taper.equal(p, q)


def test_closure_and_zero_grad():
    p = nn.Parameter(taper.ones(2))
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert p.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None


def test_groups():
    p, q = nn.Parameter(taper.ones(1)), nn.Parameter(taper.ones(1))
    optimizer = optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.25}], lr=0.5)
    (p + q).sum().backward()
    optimizer.step()
    assert (p.item(), q.item()) == (0.5, 0.75)


def test_options_that_are_refused():
    p = [nn.Parameter(taper.ones(2, 2))]
    pair = taper.tensor([0.1, 0.1])
    for kind in (optim.SGD, optim.Adam, optim.Adagrad, optim.LBFGS):
        with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
            kind(p, lr=pair)
    with pytest.raises(ValueError, match="both floats or both Tensors"):
        optim.Adam(p, betas=(0.9, taper.tensor(0.99)))
    with pytest.raises(ValueError, match=r"betas\[0\] as a Tensor is not supported"):
        optim.AdamW(p, betas=(taper.tensor(0.9), taper.tensor(0.99)), foreach=True)
    with pytest.raises(RuntimeError, match="`fused` can be combined neither"):
        optim.Adam(p, fused=True, foreach=True)
    with pytest.raises(RuntimeError, match="Muon does not support complex"):
        optim.Muon([nn.Parameter(taper.ones(2, 2, dtype=taper.complex64))])


def test_adagrad_starts_complex_sums_in_both_parts():
    p = nn.Parameter(taper.tensor([1 + 2j]))
    optimizer = optim.Adagrad([p], initial_accumulator_value=0.5)
    assert optimizer.state[p]["sum"].tolist() == [0.5 + 0.5j]


def test_repr_shows_each_group():
    p, q = nn.Parameter(taper.ones(1)), nn.Parameter(taper.ones(1))
    lines = repr(optim.Rprop([{"params": [p]}, {"params": [q], "lr": 0.5}])).split("\n")
    assert lines[0] == "Rprop (" and lines[1] == "Parameter Group 0" and lines[-1] == ")"
    assert lines.index("Parameter Group 1") - lines.index("") == 1  # an empty line between groups
    assert lines.count("    lr: 0.01") == 1 and lines.count("    lr: 0.5") == 1


def test_a_step_written_in_the_older_order_of_arguments():
    # What optimizers before PyTorch 1.5 did: exp_avg.mul_(b1).add_(1 - b1, grad) and so on.
    mean, square = taper.tensor([1.0, 2.0]), taper.tensor([4.0, 1.0])
    gradient, weight = taper.tensor([2.0, -4.0]), taper.tensor([10.0, 10.0])
    mean.mul_(0.5).add_(0.25, gradient)
    square.mul_(0.5).addcmul_(0.5, gradient, gradient)
    weight.addcdiv_(-2, mean, square.sqrt())
    assert mean.tolist() == [1.0, 0.0] and square.tolist() == [4.0, 8.5]
    assert weight.tolist() == [9.0, 10.0]
    assert taper.sub(weight, 3, mean).tolist() == [6.0, 10.0]
