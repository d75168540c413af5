"""ContinuousBernoulli: a density on [0, 1] in the form of Bernoulli's probabilities."""

import math

from . import constraints
from .discrete import _ByProbability, _log_likelihood
from .distribution import _ops, uniform

_where = _ops["where"]


class ContinuousBernoulli(_ByProbability):
    """Density C probs^x (1 - probs)^(1 - x): Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845.

    lims: for probs between them, where the formulas lose digits, Taylor's series around 1/2 is used.
    """

    has_rsample = True
    support = constraints.unit_interval

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._lims = lims
        super().__init__(probs, logits, validate_args)

    def _clamped(self):
        eps = 2.0**-52 if str(self.probs.dtype).endswith("64") else 2.0**-23
        return self.probs.clamp(min=eps, max=1 - eps)

    def _outside(self, p):
        """Where p is not near 1/2, and p moved to one of the limits where it is."""
        far = (p <= self._lims[0]) | (p > self._lims[1])
        return far, _where(far, p, _ops["full_like"](p, self._lims[0]))

    def _log_constant(self):
        p = self._clamped()
        far, cut = self._outside(p)
        log_constant = ((-cut).log1p() - cut.log()).abs().log() - (1 - 2 * cut).abs().log()
        square = (p - 0.5) ** 2
        return _where(far, log_constant, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * square) * square)

    @property
    def mean(self):
        p = self._clamped()
        far, cut = self._outside(p)
        x = p - 0.5
        near = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x
        return _where(far, cut / (2 * cut - 1) + 1 / ((-cut).log1p() - cut.log()), near)

    @property
    def variance(self):
        p = self._clamped()
        far, cut = self._outside(p)
        square = (p - 0.5) ** 2
        near = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * square) * square
        return _where(far, cut * (cut - 1) / (1 - 2 * cut) ** 2 + 1 / ((-cut).log1p() - cut.log()) ** 2, near)

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value):
        self._validate_sample(value)
        return _log_likelihood(self.logits, value) + self._log_constant()

    def cdf(self, value):
        self._validate_sample(value)
        far, cut = self._outside(self._clamped())
        result = (cut**value * (1 - cut) ** (1 - value) + cut - 1) / (2 * cut - 1)
        result = _where(far, result, value)
        return _where(value <= 0, 0 * result, _where(value >= 1, 0 * result + 1, result))

    def icdf(self, value):
        far, cut = self._outside(self._clamped())
        start = (-cut).log1p()
        return _where(far, ((value * (2 * cut - 1) - cut).log1p() - start) / (cut.log() - start), value)

    def entropy(self):
        p = self._clamped()
        zero, one = (-p).log1p(), p.log()
        return self.mean * (zero - one) - self._log_constant() - zero
