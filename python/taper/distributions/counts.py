"""Distributions of counts: Poisson, Binomial, Multinomial, NegativeBinomial."""

import math

from .. import _C
from . import constraints
from .discrete import Categorical, _given, _logits_of
from .distribution import Distribution, _ops, broadcast_all, uniform
from .gamma import Gamma


def _smallest_with(reaches, low, high):
    """Elementwise the smallest whole number in (low, high] for which reaches is true, by halving."""
    while bool((high - low > 1).any()):
        middle = ((low + high) / 2).floor()
        enough = reaches(middle)
        low, high = _ops["where"](enough, low, middle), _ops["where"](enough, middle, high)
    return high


def poisson(input, generator=None):
    """A count for each rate, by inversion: P(X <= k) is the regularized gamma function Q(k + 1, rate)."""
    wide = input.detach().to(_C.float64)
    if not bool((wide >= 0).all()):
        raise _C.ValueError("poisson: invalid Poisson rate, expected rate to be non-negative")
    u = uniform(input.shape, wide, generator)
    low, high = -_ops["ones_like"](wide), (wide + 40 * wide.sqrt() + 60).floor()
    counts = _smallest_with(lambda k: _ops["igammac"](k + 1, wide) >= u, low, high)
    return counts.to(input.dtype)


def binomial(count, prob, generator=None):
    """How many of count trials succeed, each with probability prob. Both broadcast; of prob's dtype."""
    if count.dtype is not prob.dtype or not prob.is_floating_point():
        raise _C.DTypeError(
            f"binomial: count and prob must be of one floating dtype, got {count.dtype} and {prob.dtype}"
        )
    total, probs = _ops["broadcast_tensors"]([count.detach(), prob.detach()])
    counts = _ops["zeros_like"](probs, memory_format="contiguous")
    for trial in range(int(total.max()) if total.numel() else 0):
        counts = counts + ((uniform(probs.shape, probs, generator) < probs) & (total > trial))
    return counts


class Poisson(Distribution):
    """Events in a unit of time at a rate."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    mean = property(lambda self: self.rate)
    mode = property(lambda self: self.rate.floor())
    variance = property(lambda self: self.rate)

    def _sample(self, sample_shape):
        return poisson(self.rate.expand(tuple(self._extended_shape(sample_shape))))

    def log_prob(self, value):
        self._validate_sample(value)
        return _ops["xlogy"](value, self.rate) - self.rate - (value + 1).lgamma()


class _Successes(Distribution):
    """A distribution of trials of which each succeeds with probability probs, or logit logits."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        _given(type(self).__name__, probs, logits)
        name, value = ("probs", probs) if logits is None else ("logits", logits)
        total, value = broadcast_all(total_count, value)
        self.__dict__.update({"total_count": total.to(value.dtype), name: value})
        super().__init__(value.shape, validate_args=validate_args)

    def __getattr__(self, name):
        if name == "logits" and "probs" in self.__dict__:
            return _logits_of(self.probs, True)
        if name == "probs" and "logits" in self.__dict__:
            return self.logits.sigmoid()
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    param_shape = property(lambda self: self._batch_shape)


def _log_choose(n, k):
    return (n + 1).lgamma() - (k + 1).lgamma() - (n - k + 1).lgamma()


class Binomial(_Successes):
    """Successes among total_count trials."""

    has_enumerate_support = True
    support = property(lambda self: constraints.integer_interval(0, self.total_count))
    mean = property(lambda self: self.total_count * self.probs)
    mode = property(lambda self: ((self.total_count + 1) * self.probs).floor().minimum(self.total_count))
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def _sample(self, sample_shape):
        shape = tuple(self._extended_shape(sample_shape))
        return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        self._validate_sample(value)
        n = self.total_count
        # value log p + (n - value) log(1 - p), without overflow for large logits.
        per_trial = n * (self.logits.clamp(min=0) + (-self.logits.abs()).exp().log1p())
        return value * self.logits - per_trial + _log_choose(n, value)

    def entropy(self):
        values = self.enumerate_support(False)
        log_probs = Binomial(self.total_count, logits=self.logits, validate_args=False).log_prob(values)
        return -(log_probs.exp() * log_probs).sum(0)

    def enumerate_support(self, expand=True):
        total = int(self.total_count.max())
        if int(self.total_count.min()) != total:
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = _ops["arange"](1 + total, dtype=self.probs.dtype, device=self.probs.device).view(
            (-1,) + (1,) * len(self._batch_shape)
        )
        return values.expand((-1,) + tuple(self._batch_shape)) if expand else values


class NegativeBinomial(_Successes):
    """Successes before total_count failures."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    mean = property(lambda self: self.total_count * self.logits.exp())
    variance = property(lambda self: self.mean / (-self.logits).sigmoid())

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    def _sample(self, sample_shape):
        rate = Gamma(self.total_count, (-self.logits).exp(), validate_args=False).sample(sample_shape)
        return poisson(rate)

    def log_prob(self, value):
        self._validate_sample(value)
        n, logsigmoid = self.total_count, _C._homes["nn.functional"]["logsigmoid"]
        unnormalized = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        normal = -(n + value).lgamma() + (1 + value).lgamma() + n.lgamma()
        return unnormalized - _ops["where"](n + value == 0, _ops["zeros_like"](normal), normal)


class Multinomial(Distribution):
    """How often each class comes in total_count draws."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._classes = Categorical(probs=probs, logits=logits, validate_args=validate_args)
        super().__init__(self._classes.batch_shape, (self._classes._num_events,), validate_args)

    probs = property(lambda self: self._classes.probs)
    logits = property(lambda self: self._classes.logits)
    param_shape = property(lambda self: self._classes.param_shape)
    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))
    support = property(lambda self: constraints.multinomial(self.total_count))

    def expand(self, batch_shape, _instance=None):
        made = super().expand(batch_shape)
        made._classes = self._classes.expand(batch_shape)
        return made

    def _sample(self, sample_shape):
        drawn = self._classes.sample((self.total_count, *sample_shape))
        counts = _ops["zeros"](
            tuple(self._extended_shape(sample_shape)), dtype=self.probs.dtype, device=self.probs.device
        )
        drawn = drawn.permute(*range(1, drawn.ndim), 0)
        return counts.scatter_add(-1, drawn, _ops["ones_like"](drawn, dtype=counts.dtype))

    def log_prob(self, value):
        self._validate_sample(value)
        logits, value = _ops["broadcast_tensors"]([self.logits, value])
        powers = _ops["where"](
            (value == 0) & (logits == -math.inf), _ops["zeros_like"](logits), logits * value
        )
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + powers.sum(-1)

    def entropy(self):
        n = _ops["full"]((), float(self.total_count), dtype=self.probs.dtype, device=self.probs.device)
        trials = Binomial(self.total_count, probs=self.probs, validate_args=False)
        support = trials.enumerate_support(False)[1:]
        weights = trials.log_prob(support).exp() * (support + 1).lgamma()
        return n * self._classes.entropy() - (n + 1).lgamma() + weights.sum((0, -1))
