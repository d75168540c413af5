"""The gamma family of taper.distributions against SciPy; divergences against integrals."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats as stats

import taper
from taper import distributions as D


def t(value, **options):
    return taper.tensor(value, dtype=taper.float64, **options)


CASES = [
    (D.Gamma(t(2.5), t(1.5)), stats.gamma(2.5, scale=1 / 1.5)),
    (D.Gamma(t(0.3), t(2.0)), stats.gamma(0.3, scale=0.5)),
    (D.Chi2(t(3.0)), stats.chi2(3)),
    (D.Beta(t(2.0), t(0.7)), stats.beta(2.0, 0.7)),
    (D.StudentT(t(5.0), t(0.5), t(1.5)), stats.t(5, 0.5, 1.5)),
]


@pytest.mark.parametrize("ours, reference", CASES, ids=lambda x: type(x).__name__)
def test_density_moments_and_samples_against_scipy(ours, reference):
    values = reference.ppf(np.linspace(0.05, 0.95, 7))
    np.testing.assert_allclose(ours.log_prob(t(values)).numpy(), reference.logpdf(values), rtol=1e-9)
    np.testing.assert_allclose(float(ours.entropy()), reference.entropy(), rtol=1e-9)
    np.testing.assert_allclose(float(ours.mean), reference.mean(), rtol=1e-12)
    np.testing.assert_allclose(float(ours.variance), reference.var(), rtol=1e-12)
    taper.manual_seed(0)
    assert stats.kstest(ours.sample((2000,)).numpy(), reference.cdf).pvalue > 1e-3


def test_dirichlet_against_scipy():
    a, x = [0.5, 2.0, 3.5], [0.2, 0.3, 0.5]
    ours, reference = D.Dirichlet(t(a)), stats.dirichlet(a)
    assert float(ours.log_prob(t(x))) == pytest.approx(reference.logpdf(x))
    assert float(ours.entropy()) == pytest.approx(reference.entropy())
    np.testing.assert_allclose(ours.mean.numpy(), reference.mean())
    np.testing.assert_allclose(ours.variance.numpy(), reference.var())
    taper.manual_seed(0)
    drawn = ours.sample((3000,)).numpy()
    assert drawn.shape == (3000, 3)
    np.testing.assert_allclose(drawn.sum(-1), 1)
    assert stats.kstest(drawn[:, 0], stats.beta(0.5, 5.5).cdf).pvalue > 1e-3


PAIRS = [
    (D.Gamma(t(2.5), t(1.5)), D.Gamma(t(1.2), t(0.5)), np.inf),
    (D.Beta(t(2.0), t(3.0)), D.Beta(t(1.5), t(0.7)), 1),
]


@pytest.mark.parametrize("p, q, upper", PAIRS, ids=["Gamma", "Beta"])
def test_divergence_is_its_integral(p, q, upper):
    def integrand(x):
        log_p = float(p.log_prob(t(x)))
        return np.exp(log_p) * (log_p - float(q.log_prob(t(x))))

    assert float(D.kl_divergence(p, q)) == pytest.approx(
        scipy.integrate.quad(integrand, 0, upper)[0], rel=1e-6
    )


def test_divergence_of_dirichlets_of_two_is_that_of_betas():
    p, q = D.Dirichlet(t([2.0, 3.0])), D.Dirichlet(t([1.5, 0.7]))
    assert float(D.kl_divergence(p, q)) == pytest.approx(float(D.kl_divergence(PAIRS[1][0], PAIRS[1][1])))


def test_gradient_of_the_density_by_its_parameter():
    a = t(2.5, requires_grad=True)
    D.Gamma(a, t(1.5)).log_prob(t(0.8)).backward()
    step, f = 1e-6, lambda v: stats.gamma.logpdf(0.8, v, scale=1 / 1.5)
    assert float(a.grad) == pytest.approx((f(2.5 + step) - f(2.5 - step)) / (2 * step), rel=1e-6)


def test_parameters_are_checked_and_unchecked_ones_end():
    with pytest.raises(ValueError, match="concentration"):
        D.Gamma(t(-1.0), t(1.0))
    bad = D.Gamma(t([np.nan, -1.0, np.inf, 2.0]), t(1.0), validate_args=False).sample()
    assert np.isnan(bad.numpy()[0]) and np.isfinite(bad.numpy()[3])


def test_shapes_of_expanded_distributions():
    assert tuple(D.Chi2(t(3.0)).expand((2, 3)).sample((4,)).shape) == (4, 2, 3)
    assert tuple(D.Dirichlet(t([1.0, 2.0])).expand((5,)).sample((4,)).shape) == (4, 5, 2)
    assert tuple(D.Beta(t([1.0, 2.0]), t(1.0)).sample().shape) == (2,)
