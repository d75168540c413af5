"""Distributions of matrices, of vectors with few directions and of bounded numbers, against SciPy."""

import numpy as np
import pytest
import scipy.integrate as integrate
import scipy.stats as stats

import taper
from taper import distributions as D

COVARIANCE = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])


def t(value, **options):
    return taper.tensor(value, dtype=taper.float64, **options)


@pytest.mark.parametrize("form", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_wishart_against_scipy(form):
    given = {
        "covariance_matrix": COVARIANCE,
        "precision_matrix": np.linalg.inv(COVARIANCE),
        "scale_tril": np.linalg.cholesky(COVARIANCE),
    }
    ours, reference = D.Wishart(t(5.5), **{form: t(given[form])}), stats.wishart(5.5, COVARIANCE)
    values = reference.rvs(4, random_state=np.random.default_rng(0))
    np.testing.assert_allclose(
        ours.log_prob(t(values)).numpy(), [reference.logpdf(value) for value in values], rtol=1e-10
    )
    assert float(ours.entropy()) == pytest.approx(reference.entropy())
    np.testing.assert_allclose(ours.mean.numpy(), reference.mean())
    np.testing.assert_allclose(ours.variance.numpy(), reference.var())
    np.testing.assert_allclose(ours.mode.numpy(), reference.mode())
    for other in given:
        np.testing.assert_allclose(getattr(ours, other).numpy(), given[other], atol=1e-12)


def test_wishart_samples_and_gradients():
    df = t(6.0, requires_grad=True)
    taper.manual_seed(0)
    drawn = D.Wishart(df, t(COVARIANCE)).rsample((20000,))
    # The largest standard deviation of an element is 7, that of its mean over 20,000 then 0.05.
    np.testing.assert_allclose(drawn.detach().mean(0).numpy(), 6 * COVARIANCE, atol=0.2)
    drawn.diagonal(0, -2, -1).sum(-1).mean().backward()
    assert float(df.grad) == pytest.approx(np.trace(COVARIANCE), rel=0.03)  # E tr X = df tr V


def test_wishart_divergence_is_the_mean_of_the_difference():
    p, q = D.Wishart(t(6.0), t(COVARIANCE)), D.Wishart(t(8.0), t(np.eye(3)))
    taper.manual_seed(0)
    drawn = p.sample((40000,))
    difference = (p.log_prob(drawn) - q.log_prob(drawn)).numpy()
    expected = pytest.approx(difference.mean(), abs=4 * difference.std() / 200)
    assert float(D.kl_divergence(p, q)) == expected
    assert float(D.kl_divergence(p, p)) == pytest.approx(0, abs=1e-12)


def test_wishart_refuses_few_degrees_of_freedom():
    with pytest.raises(ValueError, match="greater than ndim - 1"):
        D.Wishart(t(1.5), t(COVARIANCE))


@pytest.mark.parametrize("concentration", [0.7, 1.0, 3.0])
def test_lkj_of_two_is_a_beta_distribution(concentration):
    r = np.linspace(-0.9, 0.9, 5)
    factors = np.zeros((5, 2, 2))
    factors[:, 0, 0], factors[:, 1, 0], factors[:, 1, 1] = 1, r, np.sqrt(1 - r * r)
    ours = D.LKJCholesky(2, t(concentration)).log_prob(t(factors)).numpy()
    expected = stats.beta(concentration, concentration, loc=-1, scale=2).logpdf(r)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_lkj_of_three_has_mass_one():
    ours = D.LKJCholesky(3, t(1.5))

    def density(c, b, a):
        # Row 3 is (b, c sqrt(1 - b^2), rest); its Jacobian is sqrt(1 - b^2).
        second = c * np.sqrt(1 - b * b)
        rows = [[1, 0, 0], [a, np.sqrt(1 - a * a), 0], [b, second, np.sqrt(1 - b * b - second * second)]]
        return float(ours.log_prob(t(rows)).exp()) * np.sqrt(1 - b * b)

    nodes, weights = np.polynomial.legendre.leggauss(12)
    total = sum(
        density(c, b, a) * u * v * w
        for a, u in zip(nodes, weights)
        for b, v in zip(nodes, weights)
        for c, w in zip(nodes, weights)
    )
    assert total == pytest.approx(1, abs=2e-3)


def test_lkj_samples_are_factors_of_correlations():
    taper.manual_seed(0)
    ours = D.LKJCholesky(4, t(2.0))
    drawn = ours.sample((5000,))
    assert tuple(drawn.shape) == (5000, 4, 4) and bool(D.constraints.corr_cholesky.check(drawn).all())
    correlations = (drawn @ drawn.mT).numpy()
    # Each correlation is 2 Beta(a, a) - 1 with a = concentration + (n - 2) / 2, of variance 1 / (2 a + 1).
    for i, j in [(1, 0), (3, 0), (3, 2)]:
        assert correlations[:, i, j].var() == pytest.approx(1 / 7, rel=0.08)
    assert tuple(D.LKJCholesky(3).expand((5,)).sample((2,)).shape) == (2, 5, 3, 3)
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        D.LKJCholesky(1)


def test_low_rank_normal_is_the_normal_of_its_covariance():
    rng = np.random.default_rng(0)
    loc, factor, diagonal = rng.normal(size=4), rng.normal(size=(4, 2)), rng.uniform(0.5, 2, 4)
    covariance = factor @ factor.T + np.diag(diagonal)
    ours = D.LowRankMultivariateNormal(t(loc), t(factor), t(diagonal))
    reference, values = stats.multivariate_normal(loc, covariance), rng.normal(size=(3, 4))
    np.testing.assert_allclose(ours.log_prob(t(values)).numpy(), reference.logpdf(values), rtol=1e-10)
    assert float(ours.entropy()) == pytest.approx(reference.entropy())
    np.testing.assert_allclose(ours.covariance_matrix.numpy(), covariance)
    np.testing.assert_allclose(ours.precision_matrix.numpy(), np.linalg.inv(covariance), atol=1e-12)
    np.testing.assert_allclose(ours.variance.numpy(), np.diag(covariance))
    full = D.MultivariateNormal(t(loc + 1), t(covariance * 2))
    same = D.MultivariateNormal(t(loc), t(covariance))
    assert float(D.kl_divergence(ours, full)) == pytest.approx(float(D.kl_divergence(same, full)))
    taper.manual_seed(0)
    np.testing.assert_allclose(np.cov(ours.sample((20000,)).numpy().T), covariance, atol=0.15)
    with pytest.raises(ValueError, match="4 rows"):
        D.LowRankMultivariateNormal(t(loc), t(factor[:3]), t(diagonal))


@pytest.mark.parametrize("concentration", [-0.3, 0.0, 0.2])
def test_generalized_pareto_against_scipy(concentration):
    ours, reference = (
        D.GeneralizedPareto(t(1.0), t(2.0), t(concentration)),
        stats.genpareto(concentration, loc=1, scale=2),
    )
    values, levels = np.array([1.5, 2.0, 6.0]), np.array([0.1, 0.5, 0.99])
    np.testing.assert_allclose(ours.log_prob(t(values)).numpy(), reference.logpdf(values), rtol=1e-10)
    np.testing.assert_allclose(ours.cdf(t(values)).numpy(), reference.cdf(values), rtol=1e-10)
    np.testing.assert_allclose(ours.log_cdf(t(values)).numpy(), reference.logcdf(values), rtol=1e-10)
    np.testing.assert_allclose(ours.icdf(t(levels)).numpy(), reference.ppf(levels), rtol=1e-10)
    assert float(ours.mean) == pytest.approx(reference.mean())
    assert float(ours.variance) == pytest.approx(reference.var())
    assert float(ours.entropy()) == pytest.approx(reference.entropy())
    with pytest.raises(ValueError, match="support"):
        ours.log_prob(t(0.5))


@pytest.mark.parametrize("p", [0.1, 0.4999, 0.5, 0.9])
def test_continuous_bernoulli_against_quadrature(p):
    ours = D.ContinuousBernoulli(t(p))
    total = integrate.quad(lambda x: p**x * (1 - p) ** (1 - x), 0, 1)[0]
    density = lambda x: p**x * (1 - p) ** (1 - x) / total
    moments = [integrate.quad(lambda x: x**k * density(x), 0, 1)[0] for k in (1, 2)]
    assert float(ours.log_prob(t(0.3))) == pytest.approx(np.log(density(0.3)), abs=1e-9)
    assert float(ours.mean) == pytest.approx(moments[0], abs=1e-8)
    assert float(ours.variance) == pytest.approx(moments[1] - moments[0] ** 2, abs=1e-7)
    assert float(ours.cdf(t(0.3))) == pytest.approx(integrate.quad(density, 0, 0.3)[0], abs=5e-5)
    assert float(ours.icdf(ours.cdf(t(0.3)))) == pytest.approx(0.3, abs=1e-9)
    entropy = integrate.quad(lambda x: -density(x) * np.log(density(x)), 0, 1)[0]
    assert float(ours.entropy()) == pytest.approx(entropy, abs=1e-8)
    other = D.ContinuousBernoulli(t(0.3))
    q = lambda x: float(other.log_prob(t(x)))
    divergence = integrate.quad(lambda x: density(x) * (np.log(density(x)) - q(x)), 0, 1)[0]
    assert float(D.kl_divergence(ours, other)) == pytest.approx(divergence, abs=1e-8)


def test_correlation_transform_is_inverted_and_has_its_determinant():
    transform = D.transform_to(D.constraints.corr_cholesky)
    x = t([0.3, -0.8, 0.5], requires_grad=True)
    y = transform(x)
    assert bool(D.constraints.corr_cholesky.check(y.detach()))
    np.testing.assert_allclose(transform.inv(y).detach().numpy(), [0.3, -0.8, 0.5], atol=1e-12)
    rows = taper.stack([y[1, 0], y[2, 0], y[2, 1]])
    jacobian = np.stack([taper.autograd.grad(row, x, retain_graph=True)[0].numpy() for row in rows])
    expected = np.log(abs(np.linalg.det(jacobian)))
    assert float(transform.log_abs_det_jacobian(x, y)) == pytest.approx(expected, abs=1e-10)


def test_modules_of_pytorchs_names():
    from taper.distributions.normal import Normal
    from taper.distributions.relaxed_bernoulli import LogitRelaxedBernoulli
    from taper.distributions.utils import broadcast_all, tril_matrix_to_vec, vec_to_tril_matrix

    assert Normal is D.Normal and LogitRelaxedBernoulli is D.LogitRelaxedBernoulli
    assert [tuple(x.shape) for x in broadcast_all(1.0, t([1.0, 2.0]))] == [(2,), (2,)]
    matrix = t(np.arange(16.0).reshape(4, 4))
    for diag in (-2, 0, 1):
        flat = tril_matrix_to_vec(matrix, diag)
        np.testing.assert_array_equal(flat.numpy(), matrix.numpy()[np.tril_indices(4, diag)])
        np.testing.assert_array_equal(vec_to_tril_matrix(flat, diag).numpy(), np.tril(matrix.numpy(), diag))
    with pytest.raises(ValueError, match="size of last dimension is 4"):
        vec_to_tril_matrix(t([1.0, 2.0, 3.0, 4.0]))


def test_entropy_of_an_exponential_family_by_its_normalizer():
    class Waiting(D.ExponentialFamily):
        def __init__(self, rate):
            self.rate = rate
            super().__init__(rate.shape)

        _mean_carrier_measure = 0
        _natural_params = property(lambda self: (-self.rate,))

        def _log_normalizer(self, theta):
            return -(-theta).log()

    rate = t([0.5, 3.0])
    np.testing.assert_allclose(Waiting(rate).entropy().detach().numpy(), 1 - np.log([0.5, 3.0]))


def test_classes_of_a_batch_are_enumerated():
    values = D.Categorical(taper.ones(2, 3)).enumerate_support()
    assert values.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert D.Categorical(logits=taper.ones(2, 3)).enumerate_support(expand=False).tolist() == [[0], [1], [2]]


@pytest.mark.parametrize(
    "constraint, text",
    [
        (D.constraints.positive, "GreaterThan(lower_bound=0.0)"),
        (D.constraints.nonnegative, "GreaterThanEq(lower_bound=0.0)"),
        (D.constraints.less_than(1), "LessThan(upper_bound=1)"),
        (D.constraints.unit_interval, "Interval(lower_bound=0.0, upper_bound=1.0)"),
        (D.constraints.half_open_interval(0, 1), "HalfOpenInterval(lower_bound=0, upper_bound=1)"),
        (D.constraints.integer_interval(0, 3), "IntegerInterval(lower_bound=0, upper_bound=3)"),
        (D.constraints.nonnegative_integer, "IntegerGreaterThan(lower_bound=0)"),
    ],
)
def test_constraints_print_what_they_bound(constraint, text):
    assert repr(constraint) == text
