"""What makes a script's run the same in every framework: fixed weights, and numbers to compare."""

import numpy as np
import taper as torch


def fill(model, seed=0, scale=None):
    """Gives each parameter, in order, numbers of a fixed generator: weights by fan-in, vectors 0.01."""
    numbers = np.random.RandomState(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            size = scale or (fan_in**-0.5 if parameter.dim() > 1 else 0.01)
            parameter.copy_(torch.from_numpy((size * numbers.randn(*parameter.shape)).astype("float32")))


def report(name, value):
    """Prints a number that tests/python/test_scripts.py compares."""
    print(f"RESULT {name} {float(value):.9g}")
