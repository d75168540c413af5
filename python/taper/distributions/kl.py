"""Kullback-Leibler divergences in closed form."""

import math

from .composed import Independent
from .continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical
from .distribution import _ops
from .gamma import Beta, Dirichlet, Gamma
from .multivariate import MultivariateNormal, kl_multivariate_normal

_formulas = {}


def register_kl(type_p, type_q):
    """Decorates the function of (p, q) that computes the divergence for these types and their subclasses."""

    def decorate(function):
        _formulas[type_p, type_q] = function
        return function

    return decorate


def kl_divergence(p, q):
    """KL(p || q) = E_p[log p - log q], shaped batch_shape."""
    fitting = [pair for pair in _formulas if isinstance(p, pair[0]) and isinstance(q, pair[1])]
    if not fitting:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    nearest = min(fitting, key=lambda pair: (type(p).__mro__.index(pair[0]), type(q).__mro__.index(pair[1])))
    return _formulas[nearest](p, q)


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(LogNormal, LogNormal)
def _log_normal(p, q):
    return _normal(p, q)


@register_kl(Laplace, Laplace)
def _laplace(p, q):
    distance = (p.loc - q.loc).abs()
    ratio = p.scale / q.scale
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    return (p.rate / q.rate).log() + q.rate / p.rate - 1


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return _ops["where"]((q.low > p.low) | (q.high < p.high), _ops["full_like"](result, math.inf), result)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    softplus = lambda x: x.clamp(min=0) + (-x.abs()).exp().log1p()  # noqa: E731
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return one + zero


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = _ops["where"](q.probs == 0, _ops["full_like"](terms, math.inf), terms)
    return _ops["where"](p.probs == 0, _ops["zeros_like"](terms), terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p, q):
    return _categorical(p, q)


@register_kl(Geometric, Geometric)
def _geometric(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Gamma, Gamma)
def _gamma(p, q):
    a, b = p.concentration, q.concentration
    shapes = b.lgamma() - a.lgamma() + (a - b) * a.digamma()
    return b * (p.rate / q.rate).log() + shapes + (q.rate - p.rate) * a / p.rate


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1, keepdim=True)
    normal = total.lgamma().squeeze(-1) - b.sum(-1).lgamma() + (b.lgamma() - a.lgamma()).sum(-1)
    return normal + ((a - b) * (a.digamma() - total.digamma())).sum(-1)


@register_kl(Beta, Beta)
def _beta(p, q):
    return _dirichlet(p._dirichlet, q._dirichlet)


register_kl(MultivariateNormal, MultivariateNormal)(kl_multivariate_normal)


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent distributions with different reinterpreted_batch_ndims")
    return p._summed(kl_divergence(p.base_dist, q.base_dist))
