"""Mixtures, and vectors of proportions from normal vectors."""

from . import constraints
from .continuous import Normal
from .discrete import Categorical
from .distribution import Distribution
from .transformed import TransformedDistribution
from .transforms import StickBreakingTransform


class MixtureSameFamily(Distribution):
    """One of several components, which lie along the last batch dimension, chosen by a Categorical."""

    has_rsample = False

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an instance of taper.distributions.Categorical"
            )
        batch = tuple(component_distribution.batch_shape)
        count = mixture_distribution.logits.shape[-1]
        if not batch or batch[-1] != count:
            raise ValueError(
                f"`mixture_distribution` component ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({batch[-1] if batch else 'none'})"
            )
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    support = property(lambda self: self.component_distribution.support)

    def expand(self, batch_shape, _instance=None):
        count = self.mixture_distribution.logits.shape[-1]
        return MixtureSameFamily(
            self.mixture_distribution.expand(batch_shape),
            self.component_distribution.expand((*batch_shape, count)),
            self._validate_args,
        )

    def _weights(self):
        probs = self.mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * len(self.event_shape))

    def _over_components(self, value):
        return value.sum(-1 - len(self.event_shape))

    @property
    def mean(self):
        return self._over_components(self._weights() * self.component_distribution.mean)

    @property
    def variance(self):
        means = self.component_distribution.mean
        spread = (means - self.mean.unsqueeze(-1 - len(self.event_shape))) ** 2
        return self._over_components(self._weights() * (self.component_distribution.variance + spread))

    def _spread(self, value):
        return value.unsqueeze(-1 - len(self.event_shape))

    def cdf(self, value):
        return (self.component_distribution.cdf(self._spread(value)) * self.mixture_distribution.probs).sum(
            -1
        )

    def log_prob(self, value):
        self._validate_sample(value)
        log_probs = self.component_distribution.log_prob(self._spread(value))
        return (log_probs + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def _sample(self, sample_shape):
        drawn = self.component_distribution.sample(sample_shape)
        chosen = self.mixture_distribution.sample(sample_shape)
        events = len(self.event_shape)
        dim = drawn.ndim - events - 1
        index = chosen.reshape(tuple(chosen.shape) + (1,) * (events + 1))
        index = index.expand(tuple(chosen.shape) + (1,) + tuple(self.event_shape))
        return drawn.gather(dim, index).squeeze(dim)

    def __repr__(self):
        return f"MixtureSameFamily({self.mixture_distribution}, {self.component_distribution})"


class LogisticNormal(TransformedDistribution):
    """Proportions whose logits, but for one, are normal."""

    has_rsample = True
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand((1,))
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    loc = property(lambda self: self.base_dist.base_dist.loc)
    scale = property(lambda self: self.base_dist.base_dist.scale)
