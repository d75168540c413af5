"""Distributions of counts and classes."""

import math

from .. import _C
from ..nn.functional import one_hot
from . import constraints
from .distribution import Distribution, _ops, broadcast_all, uniform


def _logits_of(probs, binary):
    eps = 2.0**-52 if probs.dtype is _C.float64 else 2.0**-23
    inside = probs.clamp(min=eps, max=1 - eps)
    return inside.log() - (-inside).log1p() if binary else inside.log()


def _given(name, probs, logits):
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: either `probs` or `logits` must be specified, but not both.")


class _ByProbability(Distribution):
    """A distribution of a probability of success, or of its logit."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}

    def __init__(self, probs=None, logits=None, validate_args=None):
        _given(type(self).__name__, probs, logits)
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
        else:
            (self.logits,) = broadcast_all(logits)
        given = self.logits if probs is None else self.probs
        super().__init__(given.shape, validate_args=validate_args)

    def __getattr__(self, name):
        if name == "logits" and "probs" in self.__dict__:
            return _logits_of(self.probs, True)
        if name == "probs" and "logits" in self.__dict__:
            return self.logits.sigmoid()
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


def _log_likelihood(logits, value):
    # value log p + (1 - value) log(1 - p), without overflow for large logits.
    return value * logits - logits.clamp(min=0) - (-logits.abs()).exp().log1p()


class Bernoulli(_ByProbability):
    """0 or 1."""

    has_enumerate_support = True
    support = constraints.boolean
    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    param_shape = property(lambda self: self._batch_shape)

    @property
    def mode(self):
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return _ops["where"](self.probs == 0.5, _ops["full_like"](mode, math.nan), mode)

    def _sample(self, sample_shape):
        shape = tuple(self._extended_shape(sample_shape))
        return _ops["bernoulli"](self.probs.expand(shape))

    def log_prob(self, value):
        self._validate_sample(value)
        return _log_likelihood(self.logits, value)

    def entropy(self):
        return -_log_likelihood(self.logits, self.probs)

    def enumerate_support(self, expand=True):
        values = _ops["arange"](2, dtype=self.probs.dtype, device=self.probs.device).view(
            (2,) + (1,) * len(self._batch_shape)
        )
        return values.expand((2,) + tuple(self._batch_shape)) if expand else values


class Geometric(_ByProbability):
    """Failures before the first success."""

    support = constraints.nonnegative_integer
    mean = property(lambda self: 1 / self.probs - 1)
    mode = property(lambda self: _ops["zeros_like"](self.probs))
    variance = property(lambda self: (1 / self.probs - 1) / self.probs)

    def _sample(self, sample_shape):
        return (uniform(self._extended_shape(sample_shape), self.probs).log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        self._validate_sample(value)
        probs = _ops["where"]((self.probs == 1) & (value == 0), _ops["zeros_like"](self.probs), self.probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self):
        return -_log_likelihood(self.logits, self.probs) / self.probs


class Categorical(Distribution):
    """A class 0 ... n-1; probs (normalized here) or logits have the classes last."""

    has_enumerate_support = True
    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, probs=None, logits=None, validate_args=None):
        _given(type(self).__name__, probs, logits)
        given = logits if probs is None else probs
        if given.ndim < 1:
            name = "logits" if probs is None else "probs"
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    def __getattr__(self, name):
        if name == "logits" and "probs" in self.__dict__:
            return _logits_of(self.probs, False)
        if name == "probs" and "logits" in self.__dict__:
            return self.logits.exp()
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    support = property(lambda self: constraints.integer_interval(0, self._num_events - 1))
    param_shape = property(lambda self: _C.Size(tuple(self._batch_shape) + (self._num_events,)))
    mean = property(
        lambda self: _ops["full"](
            tuple(self._batch_shape), math.nan, dtype=self.probs.dtype, device=self.probs.device
        )
    )
    variance = property(
        lambda self: _ops["full"](
            tuple(self._batch_shape), math.nan, dtype=self.probs.dtype, device=self.probs.device
        )
    )
    mode = property(lambda self: self.probs.argmax(-1))

    def _sample(self, sample_shape):
        count = math.prod(sample_shape)
        rows = self.probs.reshape(-1, self._num_events)
        drawn = _ops["multinomial"](rows, count, True)
        return drawn.T.reshape(tuple(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._validate_sample(value)
        logits = self.logits
        shape = _ops["broadcast_tensors"]([value.long(), logits[..., 0]])[0]
        logits = logits.expand(tuple(shape.shape) + (self._num_events,))
        return logits.gather(-1, shape.unsqueeze(-1)).squeeze(-1)

    def entropy(self):
        lowest = -3.4e38 if self.logits.dtype is not _C.float64 else -1.7e308
        return -(self.logits.clamp(min=lowest) * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        values = _ops["arange"](self._num_events, device=self.probs.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((self._num_events,) + tuple(self._batch_shape)) if expand else values


class OneHotCategorical(Categorical):
    """A class as a vector with a single one."""

    support = constraints.one_hot

    def __init__(self, probs=None, logits=None, validate_args=None):
        super().__init__(probs, logits, validate_args)
        self._event_shape = _C.Size((self._num_events,))

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    mode = property(lambda self: self._one_hot(self.probs.argmax(-1)))

    @property
    def _classes(self):
        own = self.__dict__
        return Categorical(probs=own.get("probs"), logits=own.get("logits"), validate_args=False)

    def _one_hot(self, classes):
        hot = one_hot(classes, self._num_events)
        return hot.to(self.probs.dtype)

    def _sample(self, sample_shape):
        return self._one_hot(self._classes.sample(sample_shape))

    def log_prob(self, value):
        self._validate_sample(value)
        return self._classes.log_prob(value.argmax(-1))

    def enumerate_support(self, expand=True):
        n = self._num_events
        values = _ops["eye"](n, dtype=self.probs.dtype, device=self.probs.device).view(
            (n,) + (1,) * len(self._batch_shape) + (n,)
        )
        return values.expand((n,) + tuple(self._batch_shape) + (n,)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose gradient is that of the probabilities."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
