"""Counts, heavy tails and angles against SciPy; gradients of gamma samples against derivatives of quantiles."""

import numpy as np
import pytest
import scipy.stats as stats

import taper
from taper import distributions as D


def t(value):
    return taper.tensor(value, dtype=taper.float64)


COUNTS = [
    (D.Poisson(t(3.5)), stats.poisson(3.5)),
    (D.Poisson(t(1e4)), stats.poisson(1e4)),
    (D.Binomial(9, probs=t(0.3)), stats.binom(9, 0.3)),
    (D.Binomial(t(9.0), logits=t(0.4)), stats.binom(9, 1 / (1 + np.exp(-0.4)))),
    (D.NegativeBinomial(t(4.0), probs=t(0.3)), stats.nbinom(4, 0.7)),
]


@pytest.mark.parametrize(
    "ours, reference", COUNTS, ids=lambda x: repr(x) if isinstance(x, D.Distribution) else ""
)
def test_counts_against_scipy(ours, reference):
    values = reference.ppf([0.05, 0.4, 0.9])
    np.testing.assert_allclose(ours.log_prob(t(values)).tolist(), reference.logpmf(values), rtol=1e-8)
    assert float(ours.mean) == pytest.approx(reference.mean()) and float(ours.variance) == pytest.approx(
        reference.var()
    )
    taper.manual_seed(0)
    drawn = ours.sample((2000,)).numpy()
    assert (drawn == np.floor(drawn)).all() and (drawn >= 0).all()
    # Chi square over the deciles.
    edges = np.unique(reference.ppf(np.linspace(0, 1, 11)[1:-1]))
    edges = edges[edges > 0]
    counts = np.histogram(drawn, np.concatenate([[-np.inf], edges, [np.inf]]))[0]
    limits = np.concatenate([[0], reference.cdf(edges - 1), [1]])
    assert stats.chisquare(counts, np.diff(limits) * len(drawn)).pvalue > 1e-3


def test_binomial_and_multinomial():
    binomial = D.Binomial(6, probs=t(0.3))
    assert float(binomial.entropy()) == pytest.approx(stats.binom(6, 0.3).entropy())
    assert binomial.enumerate_support().tolist() == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="within the support"):
        binomial.log_prob(t(7.0))
    probs = [0.2, 0.5, 0.3]
    ours, reference = D.Multinomial(7, probs=t(probs)), stats.multinomial(7, probs)
    assert float(ours.log_prob(t([2.0, 4.0, 1.0]))) == pytest.approx(reference.logpmf([2, 4, 1]))
    assert float(ours.entropy()) == pytest.approx(reference.entropy())
    np.testing.assert_allclose(ours.mean.tolist(), np.multiply(probs, 7))
    taper.manual_seed(0)
    drawn = ours.sample((3000,))
    assert (drawn.sum(-1) == 7).all() and np.abs(drawn.mean(0).numpy() - np.multiply(probs, 7)).max() < 0.15
    with pytest.raises(ValueError, match="within the support"):
        ours.log_prob(t([1.0, 1.0, 1.0]))


CONTINUOUS = [
    (D.Pareto(t(1.5), t(3.5)), stats.pareto(3.5, scale=1.5)),
    (D.HalfCauchy(t(1.5)), stats.halfcauchy(scale=1.5)),
    (D.FisherSnedecor(t(5.0), t(9.0)), stats.f(5, 9)),
    (D.InverseGamma(t(3.5), t(2.0)), stats.invgamma(3.5, scale=2.0)),
    (D.VonMises(t(0.5), t(3.0)), stats.vonmises(3.0, loc=0.5)),
]


@pytest.mark.parametrize("ours, reference", CONTINUOUS, ids=lambda x: type(x).__name__)
def test_continuous_against_scipy(ours, reference):
    values = reference.ppf([0.1, 0.4, 0.8])
    np.testing.assert_allclose(ours.log_prob(t(values)).tolist(), reference.logpdf(values), rtol=1e-7)
    if type(ours) in (D.Pareto, D.FisherSnedecor, D.InverseGamma):
        assert float(ours.mean) == pytest.approx(reference.mean())
        assert float(ours.variance) == pytest.approx(reference.var())
    if type(ours) in (D.Pareto, D.HalfCauchy):
        np.testing.assert_allclose(ours.cdf(t(values)).tolist(), [0.1, 0.4, 0.8])
        np.testing.assert_allclose(ours.icdf(t([0.1, 0.4, 0.8])).tolist(), values)
        assert float(ours.entropy()) == pytest.approx(float(reference.entropy()), rel=1e-6)
    taper.manual_seed(0)
    assert stats.kstest(ours.sample((2000,)).numpy(), reference.cdf).pvalue > 1e-3


@pytest.mark.parametrize("a", [0.05, 0.7, 3.0, 40.0, 3000.0])
def test_gradient_of_gamma_samples(a):
    concentration = t(a).requires_grad_()
    taper.manual_seed(0)
    drawn = D.Gamma(concentration, t(2.0)).rsample((40,))
    slopes = [float(taper.autograd.grad(x, concentration, retain_graph=True)[0]) for x in drawn]
    step = 1e-4 * a
    for x, slope in zip(drawn.tolist(), slopes):
        # Moving the shape at a fixed probability, from whichever end keeps its digits.
        low = stats.gamma(a).cdf(2 * x)
        if low < 0.5:
            move = lambda b: stats.gamma(b).ppf(low) / 2
        else:
            high = stats.gamma(a).sf(2 * x)
            move = lambda b: stats.gamma(b).isf(high) / 2
        expected = (move(a + step) - move(a - step)) / (2 * step)
        assert slope == pytest.approx(expected, rel=2e-4, abs=1e-12)


def test_gradients_of_beta_dirichlet_and_student_samples_have_the_means_slope():
    # The mean of the samples' gradients is the gradient of the mean.
    taper.manual_seed(0)
    a, b = t(2.0).requires_grad_(), t(3.0).requires_grad_()
    D.Beta(a, b).rsample((20000,)).mean().backward()
    assert float(a.grad) == pytest.approx(3 / 25, rel=0.03) and float(b.grad) == pytest.approx(
        -2 / 25, rel=0.03
    )
    c = t([1.0, 2.0, 3.0]).requires_grad_()
    D.Dirichlet(c).rsample((20000,))[:, 0].mean().backward()
    np.testing.assert_allclose(c.grad.tolist(), [5 / 36, -1 / 36, -1 / 36], rtol=0.06)
    scale = t(2.0).requires_grad_()
    D.StudentT(t(5.0), t(0.0), scale).rsample((20000,)).abs().mean().backward()
    assert float(scale.grad) == pytest.approx(stats.t(5).expect(abs), rel=0.03)


def test_divergences():
    values = t(np.arange(60.0))
    for p, q in ((D.Poisson(t(2.0)), D.Poisson(t(3.5))), (D.Geometric(t(0.4)), D.Geometric(t(0.6)))):
        expected = (p.log_prob(values).exp() * (p.log_prob(values) - q.log_prob(values))).sum()
        assert float(D.kl_divergence(p, q)) == pytest.approx(float(expected), rel=1e-6)
    p, q = D.Binomial(5, probs=t(0.3)), D.Binomial(5, probs=t(0.6))
    values = values[:6]
    expected = (p.log_prob(values).exp() * (p.log_prob(values) - q.log_prob(values))).sum()
    assert float(D.kl_divergence(p, q)) == pytest.approx(float(expected), rel=1e-9)
    grid = taper.linspace(-40, 80, 400001, dtype=taper.float64)
    for p, q in (
        (D.Gumbel(t(0.5), t(1.5)), D.Gumbel(t(1.0), t(2.0))),
        (D.HalfNormal(t(1.0)), D.HalfNormal(t(1.7))),
        (D.Pareto(t(2.0), t(3.0)), D.Pareto(t(1.5), t(2.0))),
    ):
        x = {D.Gumbel: grid, D.HalfNormal: grid[grid > 0][:200000], D.Pareto: 2 + grid[grid >= 0] ** 2}[
            type(p)
        ]
        density = p.log_prob(x).exp()
        expected = taper.trapezoid(density * (p.log_prob(x) - q.log_prob(x)), x)
        assert float(D.kl_divergence(p, q)) == pytest.approx(float(expected), rel=1e-3)


def test_counts_are_drawn_by_functions_too():
    rates = taper.full((20000,), 3.5)
    generator = taper.Generator().manual_seed(1)
    counts = taper.poisson(rates, generator=generator)
    assert (
        counts.dtype is taper.float32 and abs(counts.mean() - 3.5) < 0.06 and abs(counts.var() - 3.5) < 0.15
    )
    assert (counts == taper.poisson(rates, generator=generator.manual_seed(1))).all()
    successes = taper.binomial(taper.full((20000, 1), 9.0), taper.tensor([0.3, 0.0]), generator)
    assert successes.shape == (20000, 2) and (successes[:, 1] == 0).all()
    assert abs(successes[:, 0].mean() - 2.7) < 0.05 and abs(successes[:, 0].var() - 1.89) < 0.1
    with pytest.raises(RuntimeError, match="expected rate to be non-negative"):
        taper.poisson(-rates)
    with pytest.raises(RuntimeError, match="of one floating dtype"):
        taper.binomial(taper.ones(2, dtype=taper.int64), taper.ones(2))
