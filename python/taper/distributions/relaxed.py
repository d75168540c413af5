"""Continuous relaxations of discrete distributions, whose samples have gradients."""

import math

from .. import _C
from . import constraints
from .discrete import Bernoulli, Categorical
from .distribution import Distribution, broadcast_all, uniform
from .transformed import TransformedDistribution
from .transforms import ExpTransform, SigmoidTransform


class LogitRelaxedBernoulli(Distribution):
    """The logit of a RelaxedBernoulli. Maddison, Mnih & Teh 2017, arXiv:1611.00712."""

    has_rsample = True
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._discrete = Bernoulli(probs, logits, validate_args)
        super().__init__(self._discrete.batch_shape, validate_args=validate_args)

    probs = property(lambda self: self._discrete.probs)
    logits = property(lambda self: self._discrete.logits)
    param_shape = property(lambda self: self._discrete.param_shape)

    def expand(self, batch_shape, _instance=None):
        made = super().expand(batch_shape)
        made._discrete = self._discrete.expand(batch_shape)
        return made

    def rsample(self, sample_shape=()):
        u = uniform(self._extended_shape(sample_shape), self.logits)
        return (u.log() - (-u).log1p() + self.logits) / self.temperature

    def log_prob(self, value):
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        difference = logits - value * self.temperature
        softplus = difference.clamp(min=0) + (-difference.abs()).exp().log1p()
        return _log(self.temperature) + difference - 2 * softplus


def _log(temperature):
    return temperature.log() if isinstance(temperature, _C.Tensor) else math.log(temperature)


class RelaxedBernoulli(TransformedDistribution):
    """Numbers between 0 and 1, near either end where temperature is low."""

    has_rsample = True
    arg_constraints = LogitRelaxedBernoulli.arg_constraints
    support = constraints.unit_interval

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(
            LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(), validate_args=validate_args
        )

    temperature = property(lambda self: self.base_dist.temperature)
    probs = property(lambda self: self.base_dist.probs)
    logits = property(lambda self: self.base_dist.logits)


class ExpRelaxedCategorical(Distribution):
    """The logarithm of a RelaxedOneHotCategorical. Maddison, Mnih & Teh 2017, arXiv:1611.00712."""

    has_rsample = True
    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._discrete = Categorical(probs, logits, validate_args)
        super().__init__(self._discrete.batch_shape, (self._discrete._num_events,), validate_args)

    probs = property(lambda self: self._discrete.probs)
    logits = property(lambda self: self._discrete.logits)
    param_shape = property(lambda self: self._discrete.param_shape)

    def expand(self, batch_shape, _instance=None):
        made = super().expand(batch_shape)
        made._discrete = self._discrete.expand(batch_shape)
        return made

    def rsample(self, sample_shape=()):
        gumbel = -(-uniform(self._extended_shape(sample_shape), self.logits).log()).log()
        scores = (self.logits + gumbel) / self.temperature
        return scores - scores.logsumexp(-1, keepdim=True)

    def log_prob(self, value):
        self._validate_sample(value)
        k = self._discrete._num_events
        logits, value = broadcast_all(self.logits, value)
        scale = math.lgamma(k) + (k - 1) * _log(self.temperature)
        score = logits - value * self.temperature
        return (score - score.logsumexp(-1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Vectors of proportions, near a corner where temperature is low: the Gumbel-softmax."""

    has_rsample = True
    arg_constraints = ExpRelaxedCategorical.arg_constraints
    support = constraints.simplex

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(
            ExpRelaxedCategorical(temperature, probs, logits), ExpTransform(), validate_args=validate_args
        )

    temperature = property(lambda self: self.base_dist.temperature)
    probs = property(lambda self: self.base_dist.probs)
    logits = property(lambda self: self.base_dist.logits)
