"""taper.distributions.MultivariateNormal against SciPy and the textbook divergence with plain inverses."""

import numpy as np
import pytest
import scipy.stats as stats

import taper
from taper import distributions as D

MEAN, COVARIANCE = np.array([0.5, -1.0, 2.0]), np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])


def t(value, **options):
    return taper.tensor(value, dtype=taper.float64, **options)


@pytest.mark.parametrize("form", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_every_form_against_scipy(form):
    given = {
        "covariance_matrix": COVARIANCE,
        "precision_matrix": np.linalg.inv(COVARIANCE),
        "scale_tril": np.linalg.cholesky(COVARIANCE),
    }
    ours = D.MultivariateNormal(t(MEAN), **{form: t(given[form])})
    reference = stats.multivariate_normal(MEAN, COVARIANCE)
    values = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(ours.log_prob(t(values)).numpy(), reference.logpdf(values), rtol=1e-9)
    assert float(ours.entropy()) == pytest.approx(reference.entropy())
    np.testing.assert_allclose(ours.variance.numpy(), np.diag(COVARIANCE))
    for other in given:
        np.testing.assert_allclose(getattr(ours, other).numpy(), given[other], atol=1e-12)


def test_samples_have_the_covariance_and_gradients():
    loc = t(MEAN, requires_grad=True)
    taper.manual_seed(0)
    drawn = D.MultivariateNormal(loc, t(COVARIANCE)).rsample((20000,))
    np.testing.assert_allclose(np.cov(drawn.detach().numpy().T), COVARIANCE, atol=0.06)
    drawn.sum().backward()
    np.testing.assert_allclose(loc.grad.numpy(), [20000.0] * 3)


def test_divergence_against_plain_inverses():
    other, shift = np.diag([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0])
    inverse, apart = np.linalg.inv(other), shift - MEAN
    expected = 0.5 * (
        np.trace(inverse @ COVARIANCE)
        + apart @ inverse @ apart
        - 3
        + np.log(np.linalg.det(other) / np.linalg.det(COVARIANCE))
    )
    p, q = D.MultivariateNormal(t(MEAN), t(COVARIANCE)), D.MultivariateNormal(t(shift), t(other))
    assert float(D.kl_divergence(p, q)) == pytest.approx(expected)


def test_batches_broadcast_and_expand():
    d = D.MultivariateNormal(t(np.zeros((4, 1, 3))), t(np.stack([COVARIANCE] * 2)))
    assert tuple(d.batch_shape) == (4, 2) and tuple(d.sample((5,)).shape) == (5, 4, 2, 3)
    assert tuple(d.log_prob(t(np.ones(3))).shape) == (4, 2)
    assert tuple(d.expand((6, 4, 2)).sample().shape) == (6, 4, 2, 3)


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match="exactly one"):
        D.MultivariateNormal(t(MEAN))
    with pytest.raises(ValueError, match="positive definite"):
        D.MultivariateNormal(t(MEAN), t(-COVARIANCE))
    with pytest.raises(ValueError, match="positive diagonal"):
        D.MultivariateNormal(t(MEAN), scale_tril=t(-np.eye(3)))
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 3, 3\)"):
        D.MultivariateNormal(t(MEAN), t(np.eye(2)))
