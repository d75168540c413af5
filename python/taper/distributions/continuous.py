"""Distributions of real numbers."""

import math

from .. import _C
from . import constraints
from .distribution import Distribution, _ops, broadcast_all, standard_normal, uniform

_special = _C._homes["special"]
_half_log_2pi = 0.5 * math.log(2 * math.pi)
_euler = 0.57721566490153286061


class _LocationScale(Distribution):
    """A distribution of loc + scale * standard."""

    has_rsample = True
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    def _standard(self, value):
        self._validate_sample(value)
        return (value - self.loc) / self.scale


class Normal(_LocationScale):
    """The Gaussian distribution."""

    variance = property(lambda self: self.scale**2)
    stddev = property(lambda self: self.scale)

    def rsample(self, sample_shape=()):
        return self.loc + standard_normal(self._extended_shape(sample_shape), self.loc) * self.scale

    def log_prob(self, value):
        return -0.5 * self._standard(value) ** 2 - self.scale.log() - _half_log_2pi

    def cdf(self, value):
        return 0.5 * (1 + (self._standard(value) / math.sqrt(2)).erf())

    def icdf(self, value):
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self):
        return 0.5 + _half_log_2pi + self.scale.log()


class Laplace(_LocationScale):
    """The double exponential distribution."""

    variance = property(lambda self: 2 * self.scale**2)

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value):
        return -self._standard(value).abs() - (2 * self.scale).log()

    def cdf(self, value):
        z = self._standard(value)
        return 0.5 - 0.5 * z.sign() * (-z.abs()).expm1()

    def icdf(self, value):
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self):
        return 1 + (2 * self.scale).log()


class Cauchy(_LocationScale):
    """The Lorentz distribution, which has no mean."""

    mean = property(lambda self: _ops["full_like"](self.loc, math.nan))
    variance = property(lambda self: _ops["full_like"](self.loc, math.inf))

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value):
        return -math.log(math.pi) - self.scale.log() - (self._standard(value) ** 2).log1p()

    def cdf(self, value):
        return self._standard(value).atan() / math.pi + 0.5

    def icdf(self, value):
        return self.loc + self.scale * (math.pi * (value - 0.5)).tan()

    def entropy(self):
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(_LocationScale):
    """The distribution of largest values."""

    mean = property(lambda self: self.loc + self.scale * _euler)
    variance = property(lambda self: math.pi**2 / 6 * self.scale**2)
    mode = property(lambda self: self.loc)

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value):
        z = self._standard(value)
        return -z - (-z).exp() - self.scale.log()

    def cdf(self, value):
        return (-(-self._standard(value)).exp()).exp()

    def icdf(self, value):
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self):
        return self.scale.log() + (1 + _euler)


class LogNormal(_LocationScale):
    """The distribution whose logarithm is normal."""

    support = constraints.positive
    mean = property(lambda self: (self.loc + self.scale**2 / 2).exp())
    mode = property(lambda self: (self.loc - self.scale**2).exp())
    variance = property(lambda self: (self.scale**2).expm1() * (2 * self.loc + self.scale**2).exp())
    _normal = property(lambda self: Normal(self.loc, self.scale, validate_args=False))

    def rsample(self, sample_shape=()):
        return self._normal.rsample(sample_shape).exp()

    def log_prob(self, value):
        self._validate_sample(value)
        return self._normal.log_prob(value.log()) - value.log()

    def cdf(self, value):
        self._validate_sample(value)
        return self._normal.cdf(value.log())

    def icdf(self, value):
        return self._normal.icdf(value).exp()

    def entropy(self):
        return self._normal.entropy() + self.loc


class Uniform(Distribution):
    """Equal density from low up to high."""

    has_rsample = True
    arg_constraints = {"low": constraints.real, "high": constraints.real}

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not bool((self.low < self.high).all()):
            raise ValueError("Uniform is not defined when low>= high")

    support = property(lambda self: constraints.interval(self.low, self.high))
    mean = property(lambda self: (self.high + self.low) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)
    mode = property(lambda self: _ops["full_like"](self.low, math.nan))

    def rsample(self, sample_shape=()):
        draw = _ops["rand"](
            tuple(self._extended_shape(sample_shape)), dtype=self.low.dtype, device=self.low.device
        )
        return self.low + draw * (self.high - self.low)

    def log_prob(self, value):
        self._validate_sample(value)
        inside = ((self.low <= value) & (self.high > value)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value):
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value):
        return value * (self.high - self.low) + self.low

    def entropy(self):
        return (self.high - self.low).log()


class Exponential(Distribution):
    """Waiting times at a rate."""

    has_rsample = True
    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    mean = property(lambda self: 1 / self.rate)
    stddev = property(lambda self: 1 / self.rate)
    variance = property(lambda self: self.rate**-2)
    mode = property(lambda self: _ops["zeros_like"](self.rate))

    def rsample(self, sample_shape=()):
        return -uniform(self._extended_shape(sample_shape), self.rate).log() / self.rate

    def log_prob(self, value):
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        self._validate_sample(value)
        return -(-self.rate * value).expm1()

    def icdf(self, value):
        return -(-value).log1p() / self.rate

    def entropy(self):
        return 1 - self.rate.log()


class Weibull(Distribution):
    """scale times the power 1 / concentration of an exponential variable."""

    has_rsample = True
    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale, concentration, validate_args=None):
        self.scale, self.concentration = broadcast_all(scale, concentration)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mean = property(lambda self: self.scale * (1 + 1 / self.concentration).lgamma().exp())

    @property
    def variance(self):
        inverse = 1 / self.concentration
        return self.scale**2 * ((1 + 2 * inverse).lgamma().exp() - (2 * (1 + inverse).lgamma()).exp())

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.scale))

    def log_prob(self, value):
        self._validate_sample(value)
        z = value / self.scale
        k = self.concentration
        return (k / self.scale).log() + (k - 1) * z.log() - z**k

    def cdf(self, value):
        self._validate_sample(value)
        return -(-((value / self.scale) ** self.concentration)).expm1()

    def icdf(self, value):
        return self.scale * (-(-value).log1p()) ** (1 / self.concentration)

    def entropy(self):
        return _euler * (1 - 1 / self.concentration) + (self.scale / self.concentration).log() + 1


class HalfNormal(Distribution):
    """The absolute value of a normal variable."""

    has_rsample = True
    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, scale, validate_args=None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    variance = property(lambda self: self.scale**2 * (1 - 2 / math.pi))
    mode = property(lambda self: _ops["zeros_like"](self.scale))

    def rsample(self, sample_shape=()):
        return (standard_normal(self._extended_shape(sample_shape), self.scale) * self.scale).abs()

    def log_prob(self, value):
        self._validate_sample(value)
        density = math.log(2) - _half_log_2pi - self.scale.log() - 0.5 * (value / self.scale) ** 2
        return _ops["where"](value >= 0, density, _ops["full_like"](density, -math.inf))

    def cdf(self, value):
        self._validate_sample(value)
        return (value / (self.scale * math.sqrt(2))).erf()

    def icdf(self, value):
        return self.scale * math.sqrt(2) * value.erfinv()

    def entropy(self):
        return 0.5 + _half_log_2pi - math.log(2) + self.scale.log()


class Kumaraswamy(Distribution):
    """On (0, 1), with P(X <= x) = 1 - (1 - x^a)^b."""

    has_rsample = True
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def _moment(self, n):
        a, b = self.concentration1, self.concentration0
        return (b.log() + (1 + n / a).lgamma() + b.lgamma() - (1 + n / a + b).lgamma()).exp()

    mean = property(lambda self: self._moment(1))
    variance = property(lambda self: self._moment(2) - self._moment(1) ** 2)

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.concentration1))

    def log_prob(self, value):
        self._validate_sample(value)
        a, b = self.concentration1, self.concentration0
        return a.log() + b.log() + (a - 1) * value.log() + (b - 1) * (-(value**a)).log1p()

    def cdf(self, value):
        self._validate_sample(value)
        return 1 - (1 - value**self.concentration1) ** self.concentration0

    def icdf(self, value):
        return (1 - (1 - value) ** (1 / self.concentration0)) ** (1 / self.concentration1)

    def entropy(self):
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + _euler
        return 1 - 1 / b + (1 - 1 / a) * harmonic - a.log() - b.log()


class HalfCauchy(Distribution):
    """The absolute value of a Cauchy variable."""

    has_rsample = True
    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, scale, validate_args=None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mean = property(lambda self: _ops["full_like"](self.scale, math.inf))
    variance = property(lambda self: _ops["full_like"](self.scale, math.inf))
    mode = property(lambda self: _ops["zeros_like"](self.scale))

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.scale))

    def log_prob(self, value):
        self._validate_sample(value)
        density = math.log(2 / math.pi) - self.scale.log() - ((value / self.scale) ** 2).log1p()
        return _ops["where"](value >= 0, density, _ops["full_like"](density, -math.inf))

    def cdf(self, value):
        self._validate_sample(value)
        return 2 / math.pi * (value / self.scale).atan()

    def icdf(self, value):
        return self.scale * (value * (math.pi / 2)).tan()

    def entropy(self):
        return math.log(2 * math.pi) + self.scale.log()


class Pareto(Distribution):
    """Numbers above scale with tails that fall as value^-(alpha + 1)."""

    has_rsample = True
    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}
    support = property(lambda self: constraints.greater_than_eq(self.scale))

    def __init__(self, scale, alpha, validate_args=None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mode = property(lambda self: self.scale)

    @property
    def mean(self):
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def variance(self):
        a = self.alpha.clamp(min=2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def rsample(self, sample_shape=()):
        return self.icdf(uniform(self._extended_shape(sample_shape), self.scale))

    def log_prob(self, value):
        self._validate_sample(value)
        return self.alpha.log() + self.alpha * self.scale.log() - (self.alpha + 1) * value.log()

    def cdf(self, value):
        self._validate_sample(value)
        return 1 - (self.scale / value) ** self.alpha

    def icdf(self, value):
        return self.scale * (-(-value).log1p() / self.alpha).exp()

    def entropy(self):
        return (self.scale / self.alpha).log() + 1 + 1 / self.alpha


class VonMises(Distribution):
    """Angles around loc, the denser the larger concentration is."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(
        lambda self: 1 - _special["i1e"](self.concentration) / _special["i0e"](self.concentration)
    )

    def _sample(self, sample_shape):
        """Best & Fisher 1979, doi:10.2307/2346732, in float64."""
        shape = tuple(self._extended_shape(sample_shape))
        kappa = self.concentration.to(_C.float64).expand(shape)
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        # For small concentrations rho loses its digits; this is its series.
        r = _ops["where"](kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))
        angle, pending = _ops["zeros_like"](kappa), _ops["ones_like"](kappa) > 0
        while bool(pending.any()):
            z = (math.pi * uniform(shape, kappa)).cos()
            f = (1 + r * z) / (r + z)
            c = kappa * (r - f)
            second, third = uniform(shape, kappa), uniform(shape, kappa)
            fits = (c * (2 - c) > second) | ((c / second).log() + 1 >= c)
            drawn = (third - 0.5).sign() * f.clamp(min=-1, max=1).acos()
            angle, pending = _ops["where"](pending & fits, drawn, angle), pending & ~fits
        angle = (angle + math.pi + self.loc.to(_C.float64)) % (2 * math.pi) - math.pi
        return angle.to(self.loc.dtype)

    def log_prob(self, value):
        self._validate_sample(value)
        kappa = self.concentration
        scaled = _special["i0e"](kappa).log() + kappa
        return kappa * (value - self.loc).cos() - math.log(2 * math.pi) - scaled
