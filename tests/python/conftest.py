"""What every test starts from: one seed and gradients on."""

import numpy as np
import pytest

import taper


@pytest.fixture(autouse=True)
def fixed_start():
    taper.manual_seed(0)
    np.random.seed(0)
    assert taper.is_grad_enabled()
    yield
    assert taper.is_grad_enabled()
