"""Transforms against derivatives, transformed and relaxed distributions against SciPy and integrals."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats as stats

import taper
from taper import distributions as D


def t(value):
    return taper.tensor(value, dtype=taper.float64)


ELEMENTWISE = [
    D.ExpTransform(),
    D.SigmoidTransform(),
    D.TanhTransform(),
    D.SoftplusTransform(),
    D.AffineTransform(t(2.0), t(-3.0)),
    D.AffineTransform(1.0, 0.5),
    D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.ExpTransform()]),
    D.ExpTransform().inv,
]


@pytest.mark.parametrize("transform", ELEMENTWISE, ids=repr)
def test_elementwise_transforms(transform):
    x = t([0.2, 0.7, 1.5]).requires_grad_()
    y = transform(x)
    np.testing.assert_allclose(transform.inv(y).tolist(), x.tolist(), rtol=1e-10)
    (slope,) = taper.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(
        transform.log_abs_det_jacobian(x, y).tolist(), slope.abs().log().tolist(), rtol=1e-10
    )
    assert float(transform.sign * slope[0]) > 0
    assert bool(transform.codomain.check(y).all())


def test_power_transform():
    x, transform = t([0.5, 2.0]), D.PowerTransform(t(3.0))
    np.testing.assert_allclose(transform(x).tolist(), [0.125, 8])
    np.testing.assert_allclose(transform.log_abs_det_jacobian(x, transform(x)).tolist(), np.log([0.75, 12]))


def test_stick_breaking():
    x, transform = t([0.3, -1.0, 0.8]), D.StickBreakingTransform()
    y = transform(x)
    assert y.shape == (4,) and float(y.sum()) == pytest.approx(1) and bool((y > 0).all())
    np.testing.assert_allclose(transform.inv(y).tolist(), x.tolist(), rtol=1e-10)
    jacobian = taper.func.jacrev(lambda x: transform(x)[:-1])(x)
    assert float(transform.log_abs_det_jacobian(x, y)) == pytest.approx(float(jacobian.det().abs().log()))
    assert transform.forward_shape((5, 3)) == (5, 4) and transform.inverse_shape((5, 4)) == (5, 3)


def test_cached_transform_gives_its_argument_back():
    transform, x = D.TanhTransform(cache_size=1), t(40.0)
    assert transform.inv(transform(x)) is x
    assert math.isinf(float(D.TanhTransform().inv(D.TanhTransform()(x))))


def test_reshape_stack_and_cat():
    x = t([[1.0, 2.0, 3.0, 4.0]])
    assert D.ReshapeTransform((4,), (2, 2))(x).shape == (1, 2, 2)
    with pytest.raises(ValueError, match="Shape mismatch"):
        D.ReshapeTransform((3,), (3, 1))(x)
    pair = D.StackTransform([D.ExpTransform(), D.AffineTransform(0.0, 2.0)], dim=0)
    np.testing.assert_allclose(pair(t([0.0, 3.0])).tolist(), [1, 6])
    np.testing.assert_allclose(pair.inv(t([1.0, 6.0])).tolist(), [0, 3])
    both = D.CatTransform([D.ExpTransform(), D.AffineTransform(0.0, 2.0)], dim=-1, lengths=[1, 3])
    np.testing.assert_allclose(both(x).tolist(), [[math.e, 4, 6, 8]])


def test_transformed_normal_is_log_normal():
    ours = D.TransformedDistribution(D.Normal(t(0.5), t(0.7)), [D.ExpTransform()])
    reference = stats.lognorm(0.7, scale=np.exp(0.5))
    values = [0.3, 1.0, 4.0]
    np.testing.assert_allclose(ours.log_prob(t(values)).tolist(), reference.logpdf(values))
    np.testing.assert_allclose(ours.cdf(t(values)).tolist(), reference.cdf(values))
    np.testing.assert_allclose(ours.icdf(t([0.2, 0.9])).tolist(), reference.ppf([0.2, 0.9]))
    falling = D.TransformedDistribution(D.Normal(t(0.0), t(1.0)), [D.AffineTransform(1.0, -2.0)])
    np.testing.assert_allclose(falling.cdf(t(values)).tolist(), stats.norm(1, 2).cdf(values))
    with pytest.raises(ValueError, match="within the support"):
        ours.log_prob(t(-1.0))


def test_transformed_events_are_summed():
    base = D.Normal(taper.zeros(3, 2, dtype=taper.float64), taper.ones(3, 2, dtype=taper.float64))
    ours = D.TransformedDistribution(base, D.StickBreakingTransform())
    assert ours.batch_shape == (3,) and ours.event_shape == (3,)
    taper.manual_seed(0)
    assert ours.sample((5,)).shape == (5, 3, 3) and ours.log_prob(ours.sample()).shape == (3,)
    same = D.LogisticNormal(t([0.0, 0.0]), t([1.0, 1.0]))
    value = t([0.2, 0.3, 0.5])
    assert float(same.log_prob(value)) == pytest.approx(float(ours.log_prob(value)[0]))
    assert D.kl_divergence(ours, ours).tolist() == [0, 0, 0]


def test_relaxed_bernoulli_integrates_to_one_and_follows_the_logits():
    relaxed = D.RelaxedBernoulli(t(0.7), probs=t(0.3))
    density = lambda x: float(relaxed.log_prob(t(x)).exp())
    assert scipy.integrate.quad(density, 0, 1)[0] == pytest.approx(1, rel=1e-6)
    taper.manual_seed(0)
    drawn = relaxed.sample((4000,))
    # A sample is above one half as often as the logit's noise is positive.
    assert float((drawn > 0.5).double().mean()) == pytest.approx(0.3, abs=0.03)
    logits = t(0.2).requires_grad_()
    D.RelaxedBernoulli(t(0.5), logits=logits).rsample((3,)).sum().backward()
    assert float(logits.grad) > 0


def test_relaxed_one_hot_categorical():
    relaxed = D.RelaxedOneHotCategorical(t(0.8), probs=t([0.2, 0.8]))
    density = lambda x: float(relaxed.log_prob(t([x, 1 - x])).exp())
    assert scipy.integrate.quad(density, 0, 1)[0] == pytest.approx(1, rel=1e-6)
    taper.manual_seed(0)
    drawn = relaxed.sample((4000,))
    np.testing.assert_allclose(drawn.sum(-1).tolist(), 1, rtol=1e-10)
    assert float((drawn.argmax(-1) == 1).double().mean()) == pytest.approx(0.8, abs=0.03)


def test_bijections_reach_their_constraints():
    x = taper.linspace(-2, 2, 6, dtype=taper.float64)
    c = D.constraints
    for constraint in (
        c.positive,
        c.greater_than(2.0),
        c.less_than(-1.0),
        c.interval(2.0, 5.0),
        c.unit_interval,
    ):
        for registry in (D.biject_to, D.transform_to):
            transform = registry(constraint)
            assert bool(constraint.check(transform(x)).all())
            np.testing.assert_allclose(transform.inv(transform(x)).tolist(), x.tolist(), rtol=1e-9)
    assert bool(c.simplex.check(D.biject_to(c.simplex)(x))) and bool(
        c.simplex.check(D.transform_to(c.simplex)(x))
    )
    matrix = x[:4].view(2, 2)
    assert bool(c.lower_cholesky.check(D.transform_to(c.lower_cholesky)(matrix)))
    assert bool(c.positive_definite.check(D.transform_to(c.positive_definite)(matrix)))
    with pytest.raises(NotImplementedError, match="Cannot transform"):
        D.biject_to(c.boolean)


def test_mixture():
    weights, means = np.array([0.3, 0.7]), np.array([-1.0, 2.0])
    ours = D.MixtureSameFamily(D.Categorical(t(weights)), D.Normal(t(means), t([0.5, 1.0])))
    value = 0.4
    expected = (weights * stats.norm(means, [0.5, 1.0]).pdf(value)).sum()
    assert float(ours.log_prob(t(value)).exp()) == pytest.approx(expected)
    assert float(ours.cdf(t(value))) == pytest.approx(
        (weights * stats.norm(means, [0.5, 1.0]).cdf(value)).sum()
    )
    mean = (weights * means).sum()
    assert float(ours.mean) == pytest.approx(mean)
    assert float(ours.variance) == pytest.approx((weights * ([0.25, 1.0] + (means - mean) ** 2)).sum())
    taper.manual_seed(0)
    drawn = ours.sample((4000,))
    assert drawn.shape == (4000,) and float(drawn.mean()) == pytest.approx(mean, abs=0.1)
    vectors = D.MixtureSameFamily(
        D.Categorical(t([0.5, 0.5])), D.Independent(D.Normal(taper.zeros(2, 3), taper.ones(2, 3)), 1)
    )
    assert vectors.sample((4,)).shape == (4, 3) and vectors.log_prob(taper.zeros(3)).shape == ()
