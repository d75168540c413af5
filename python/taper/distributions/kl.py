"""Kullback-Leibler divergences in closed form."""

import math

from .composed import Independent
from .continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfNormal,
    Laplace,
    LogNormal,
    Normal,
    Pareto,
    Uniform,
    _euler,
)
from .continuous_bernoulli import ContinuousBernoulli
from .counts import Binomial, Poisson
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical
from .distribution import _ops
from .gamma import Beta, Dirichlet, Gamma
from .low_rank import LowRankMultivariateNormal
from .matrices import Wishart, kl_wishart
from .multivariate import MultivariateNormal, kl_multivariate_normal
from .transformed import TransformedDistribution, _summed

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
    softplus = lambda x: x.clamp(min=0) + (-x.abs()).exp().log1p()
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


for _p in (MultivariateNormal, LowRankMultivariateNormal):
    for _q in (MultivariateNormal, LowRankMultivariateNormal):
        register_kl(_p, _q)(kl_multivariate_normal)

register_kl(Wishart, Wishart)(kl_wishart)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p, q):
    constants = p._log_constant() - q._log_constant()
    return p.mean * (p.logits - q.logits) + constants + (-p.probs).log1p() - (-q.probs).log1p()


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent distributions with different reinterpreted_batch_ndims")
    return p._summed(kl_divergence(p.base_dist, q.base_dist))


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio - 1 - ratio.log())


@register_kl(Poisson, Poisson)
def _poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Binomial, Binomial)
def _binomial(p, q):
    per_trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    result = p.total_count * per_trial
    return _ops["where"](p.total_count > q.total_count, _ops["full_like"](result, math.inf), result)


@register_kl(Gumbel, Gumbel)
def _gumbel(p, q):
    ratio, distance = p.scale / q.scale, (q.loc - p.loc) / q.scale
    mean = (distance + (1 + ratio).lgamma()).exp()
    return -ratio.log() - distance + ratio * _euler + mean - (1 + _euler)


@register_kl(Cauchy, Cauchy)
def _cauchy(p, q):
    """Chyzak & Nielsen 2019, arXiv:1905.10965."""
    both = ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log()
    return both - (4 * p.scale * q.scale).log()


@register_kl(Pareto, Pareto)
def _pareto(p, q):
    scales, alphas = p.scale / q.scale, q.alpha / p.alpha
    result = q.alpha * scales.log() - alphas.log() + alphas - 1
    return _ops["where"](p.scale < q.scale, _ops["full_like"](result, math.inf), result)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of TransformedDistributions with different transforms or event shapes")
    extra = len(p.event_shape) - len(p.base_dist.event_shape)
    return _summed(kl_divergence(p.base_dist, q.base_dist), extra)
