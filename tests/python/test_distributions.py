"""taper.distributions: densities, moments and entropies against SciPy; divergences against integrals."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats as stats

import taper
from taper import distributions as D


def t(value):
    return taper.tensor(value, dtype=taper.float64)


CONTINUOUS = [
    (D.Normal(t(0.5), t(1.5)), stats.norm(0.5, 1.5)),
    (D.Laplace(t(0.5), t(1.5)), stats.laplace(0.5, 1.5)),
    (D.Cauchy(t(0.5), t(1.5)), stats.cauchy(0.5, 1.5)),
    (D.Gumbel(t(0.5), t(1.5)), stats.gumbel_r(0.5, 1.5)),
    (D.LogNormal(t(0.5), t(0.7)), stats.lognorm(0.7, scale=np.exp(0.5))),
    (D.Uniform(t(-1.0), t(3.0)), stats.uniform(-1, 4)),
    (D.Exponential(t(2.0)), stats.expon(scale=0.5)),
    (D.Weibull(t(1.5), t(2.5)), stats.weibull_min(2.5, scale=1.5)),
    (D.HalfNormal(t(1.5)), stats.halfnorm(scale=1.5)),
]


@pytest.mark.parametrize("ours, reference", CONTINUOUS, ids=lambda x: type(x).__name__)
def test_continuous_against_scipy(ours, reference):
    probabilities = np.linspace(0.05, 0.95, 7)
    values = reference.ppf(probabilities)
    close = lambda x, y: np.testing.assert_allclose(x.numpy(), y, rtol=1e-8, atol=1e-12)
    close(ours.log_prob(t(values)), reference.logpdf(values))
    close(ours.cdf(t(values)), probabilities)
    close(ours.icdf(t(probabilities)), values)
    close(ours.entropy(), reference.entropy())
    if not isinstance(ours, D.Cauchy):
        close(ours.mean, reference.mean())
        close(ours.variance, reference.var())
    taper.manual_seed(0)
    assert stats.kstest(ours.sample((2000,)).numpy(), reference.cdf).pvalue > 1e-3


def test_kumaraswamy_is_a_density():
    d = D.Kumaraswamy(t(2.0), t(3.0))
    density = lambda x: float(d.log_prob(t(x)).exp())
    assert scipy.integrate.quad(density, 0, 1)[0] == pytest.approx(1)
    assert scipy.integrate.quad(lambda x: x * density(x), 0, 1)[0] == pytest.approx(float(d.mean))
    entropy = scipy.integrate.quad(lambda x: -density(x) * np.log(density(x)), 1e-12, 1 - 1e-12)[0]
    assert entropy == pytest.approx(float(d.entropy()), rel=1e-6)


DISCRETE = [
    (D.Bernoulli(t(0.3)), stats.bernoulli(0.3), [0, 1]),
    (D.Geometric(t(0.3)), stats.geom(0.3, loc=-1), [0, 1, 5]),
]


@pytest.mark.parametrize("ours, reference, values", DISCRETE, ids=lambda x: type(x).__name__)
def test_discrete_against_scipy(ours, reference, values):
    np.testing.assert_allclose(ours.log_prob(t(values)).numpy(), reference.logpmf(values), rtol=1e-9)
    assert float(ours.mean) == pytest.approx(reference.mean())
    assert float(ours.variance) == pytest.approx(reference.var())
    assert float(ours.entropy()) == pytest.approx(float(reference.entropy()))
    taper.manual_seed(0)
    assert abs(float(ours.sample((4000,)).mean()) - reference.mean()) < 0.15


def test_categorical():
    probs = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    for d in (D.Categorical(probs=t(probs * 3)), D.Categorical(logits=t(np.log(probs) + 1))):
        np.testing.assert_allclose(d.log_prob(taper.tensor([2, 0])).numpy(), np.log([0.7, 0.5]))
        np.testing.assert_allclose(d.entropy().numpy(), stats.entropy(probs, axis=1))
        assert d.sample((5,)).shape == (5, 2)
    taper.manual_seed(0)
    counts = taper.bincount(D.Categorical(probs=t(probs[0])).sample((4000,)), minlength=3).numpy() / 4000
    np.testing.assert_allclose(counts, probs[0], atol=0.03)
    hot = D.OneHotCategorical(probs=t(probs))
    sample = hot.sample((6,))
    assert sample.shape == (6, 2, 3) and bool((sample.sum(-1) == 1).all())
    np.testing.assert_allclose(hot.log_prob(t([[0, 0, 1], [1, 0, 0]])).numpy(), np.log([0.7, 0.5]))
    logits = taper.zeros(3, requires_grad=True)
    D.Categorical(logits=logits).log_prob(taper.tensor(1)).backward()
    np.testing.assert_allclose(logits.grad.numpy(), [-1 / 3, 2 / 3, -1 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    "p, q",
    [
        (D.Normal(t(0.0), t(1.0)), D.Normal(t(1.0), t(2.0))),
        (D.Laplace(t(0.0), t(1.0)), D.Laplace(t(1.0), t(2.0))),
        (D.Exponential(t(2.0)), D.Exponential(t(1.0))),
        (D.LogNormal(t(0.0), t(0.5)), D.LogNormal(t(0.3), t(0.8))),
        (D.Uniform(t(0.0), t(1.0)), D.Uniform(t(-1.0), t(2.0))),
    ],
    ids=lambda d: type(d).__name__,
)
def test_divergence_is_its_integral(p, q):
    u = np.linspace(0, 1, 40002)[1:-1]
    x = p.icdf(t(u))
    integral = float((p.log_prob(x) - q.log_prob(x)).mean())
    assert float(D.kl_divergence(p, q)) == pytest.approx(integral, abs=2e-3)


@pytest.mark.parametrize(
    "p, q",
    [(D.Bernoulli(t(0.3)), D.Bernoulli(t(0.6))), (D.Geometric(t(0.4)), D.Geometric(t(0.2)))],
    ids=lambda d: type(d).__name__,
)
def test_divergence_is_its_sum(p, q):
    x = t(np.arange(2 if isinstance(p, D.Bernoulli) else 60))
    terms = p.log_prob(x).exp() * (p.log_prob(x) - q.log_prob(x))
    assert float(D.kl_divergence(p, q)) == pytest.approx(float(terms.sum()), rel=1e-6)


def test_independent_expand_and_validation():
    d = D.Independent(D.Normal(taper.zeros(4, 3), taper.ones(4, 3)), 1)
    assert (d.batch_shape, d.event_shape) == ((4,), (3,))
    assert d.log_prob(d.rsample((2,))).shape == (2, 4)
    assert D.kl_divergence(d, d).shape == (4,)
    assert D.Normal(0.0, 1.0).expand((5, 2)).sample().shape == (5, 2)
    with pytest.raises(ValueError, match="scale"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="support"):
        D.Exponential(1.0).log_prob(taper.tensor(-1.0))
    with pytest.raises(ValueError, match="not both"):
        D.Bernoulli()


def test_rsample_is_differentiable():
    loc, scale = t(0.0).requires_grad_(), t(2.0).requires_grad_()
    taper.manual_seed(1)
    value = D.Normal(loc, scale).rsample()
    value.backward()
    assert float(loc.grad) == 1
    assert float(scale.grad) == pytest.approx(float(value) / 2)
