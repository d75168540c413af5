"""Gradients of special functions that the generic test cannot take to second order; random fills."""

import numpy as np
import pytest
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
    z = taper.empty(20000, dtype=taper.complex128).normal_(2, 0.5)
    assert abs(z.mean().item() - 2) < 0.02 and abs((z - 2).abs().square().mean().item() - 0.25) < 0.01


def test_float_power_in_place_needs_float64():
    x = taper.tensor([2.0, 3.0], dtype=taper.float64)
    assert x.float_power_(2).tolist() == [4.0, 9.0]
    with pytest.raises(taper.DTypeError, match="float64"):
        taper.ones(2).float_power_(2)


def test_zeta_has_no_derivative_in_its_first_operand():
    s = taper.tensor([2.0], requires_grad=True)
    with pytest.raises(taper.NotImplementedError, match="zeta"):
        taper.special.zeta(s, 1.5).backward()


def test_second_derivative_of_sinc_near_zero():
    x = taper.tensor([0.0, 0.5], dtype=taper.float64, requires_grad=True)
    (slope,) = taper.autograd.grad(taper.sinc(x).sum(), x, create_graph=True)
    (bend,) = taper.autograd.grad(slope.sum(), x)
    # sinc'' is -pi^2 / 3 at 0; at 1/2, where sin(pi x) = 1 and cos(pi x) = 0, (2 / x^3 - pi^2 / x) / pi.
    np.testing.assert_allclose(bend.numpy(), [-(np.pi**2) / 3, (16 - 2 * np.pi**2) / np.pi], rtol=1e-12)


def test_logcumsumexp_from_minus_infinity():
    x = taper.tensor([-np.inf, -np.inf, 0.0, -np.inf, 1.0], dtype=taper.float64, requires_grad=True)
    (slope,) = taper.autograd.grad(taper.logcumsumexp(x, 0)[2:].sum(), x, create_graph=True)
    share = 1 / (1 + np.e)
    np.testing.assert_allclose(slope.detach().numpy(), [0, 0, 2 + share, 0, 1 - share], rtol=1e-12)
    (bend,) = taper.autograd.grad(slope[2], x)
    assert np.isfinite(bend.numpy()).all()


@pytest.mark.parametrize("function", [taper.sigmoid, taper.nn.functional.silu, taper.sinc, taper.tanh])
def test_second_derivatives_of_complex_functions(function):
    z = taper.tensor([0.3 + 0.4j, -0.7 + 0.2j], dtype=taper.complex128, requires_grad=True)
    assert taper.autograd.gradgradcheck(function, (z,))


def test_the_dtype_of_a_tensor_without_dimensions_counts():
    small = taper.tensor(3.0, dtype=taper.bfloat16)
    assert (2.0**small).dtype is taper.bfloat16
    assert (5 ** taper.tensor(3, dtype=taper.uint8)).dtype is taper.uint8
    assert taper.div(taper.tensor([1, 2]), taper.tensor(2.5, dtype=taper.float64)).dtype is taper.float64
    assert (taper.tensor(5) ** taper.tensor(-3)).item() == 0
    # Where a function has a form for numbers only, it stands for its value.
    assert taper.full((2,), taper.tensor(3)).tolist() == [3, 3]


@pytest.mark.parametrize("dtype", [taper.uint8, taper.int64, taper.bool])
def test_log_ndtr_of_whole_numbers(dtype):
    x = taper.tensor([0, 1, 2, 200]).to(dtype)
    result = taper.special.log_ndtr(x)
    assert result.dtype is taper.float32
    np.testing.assert_allclose(result.numpy(), scipy.special.log_ndtr(x.numpy().astype(float)), rtol=1e-6)
