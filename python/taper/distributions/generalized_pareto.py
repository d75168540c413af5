"""GeneralizedPareto: what lies beyond a high threshold."""

import math

from .. import _C
from . import constraints
from .distribution import Distribution, _ops, broadcast_all

_where = _ops["where"]


class GeneralizedPareto(Distribution):
    """Survival (1 + concentration z)^(-1 / concentration), z = (x - loc) / scale: Pickands 1975.

    Concentration 0 is the exponential distribution; below 0 values end at loc - scale / concentration.
    """

    has_rsample = True
    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def support(self):
        end = self.loc - self.scale / _where(self.concentration == 0, -1.0, self.concentration)
        return constraints.interval(
            self.loc, _where(self.concentration < 0, end, _ops["full_like"](end, math.inf))
        )

    mode = property(lambda self: self.loc)

    @property
    def mean(self):
        c = _where(self.concentration < 1, self.concentration, _ops["full_like"](self.loc, math.nan))
        return self.loc + self.scale / (1 - c)

    @property
    def variance(self):
        c = _where(self.concentration < 0.5, self.concentration, _ops["full_like"](self.loc, math.nan))
        return self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c))

    def _concentration(self):
        """Where the concentration is zero (to eight digits), and the concentration with ones there."""
        exponential = self.concentration.abs() <= 1e-8
        return exponential, _where(exponential, _ops["ones_like"](self.concentration), self.concentration)

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        return self.icdf(_ops["rand"](shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value):
        self._validate_sample(value)
        z = (value - self.loc) / self.scale
        exponential, c = self._concentration()
        power = 1 / c + _ops["ones_like"](z)
        terms = _where(power == 0, power, power * (c * z).log1p())
        return -self.scale.log() - _where(exponential, z, terms)

    def log_survival_function(self, value):
        """log P(X > value)."""
        self._validate_sample(value)
        z = (value - self.loc) / self.scale
        exponential, c = self._concentration()
        return _where(exponential, -z, -(c * z).log1p() / c)

    def log_cdf(self, value):
        """log P(X <= value)."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value):
        return -self.log_survival_function(value).expm1()

    def icdf(self, value):
        value = value if isinstance(value, _C.Tensor) else _ops["full_like"](self.loc, value)
        exponential, c = self._concentration()
        log_survival = (-value).log1p()
        raised = self.loc + self.scale / c * (-c * log_survival).expm1()
        return _where(exponential, self.loc - self.scale * log_survival, raised)

    def entropy(self):
        return self.scale.log() + self.concentration + 1
