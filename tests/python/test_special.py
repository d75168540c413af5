"""Gradients of special functions that the generic test cannot take to second order; random fills."""

import numpy as np
import scipy.special

import taper


def test_gradient_of_mvlgamma_is_a_sum_of_digammas():
    x = taper.tensor([2.5, 3.25], dtype=taper.float64, requires_grad=True)
    taper.mvlgamma(x, 3).sum().backward()
    expected = sum(scipy.special.digamma(x.detach().numpy() - k / 2) for k in range(3))
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-9)


def test_gradient_of_float_power():
    x = taper.tensor([0.5, 2.0], dtype=taper.float32, requires_grad=True)
    y = taper.float_power(x, 3)
    y.sum().backward()
    assert y.dtype is taper.float64 and x.grad.dtype is taper.float32
    np.testing.assert_allclose(x.grad.numpy(), [0.75, 12.0])


def test_random_fills_follow_their_distributions():
    taper.manual_seed(0)
    x = taper.empty(20000, dtype=taper.float64)
    assert abs(x.geometric_(0.25).mean().item() - 4) < 0.1 and x.min() == 1
    assert abs(x.log_normal_(0.5, 0.25).log().mean().item() - 0.5) < 0.02
    assert abs(x.cauchy_(2.0, 0.5).median().item() - 2) < 0.05
    assert taper.empty(4, dtype=taper.int64).geometric_(0.5).dtype is taper.int64
