"""Distributions that come of the gamma function: Gamma, Chi2, Beta, Dirichlet, StudentT."""

import math

from .. import _C
from ..autograd.function import Function
from . import constraints
from .distribution import Distribution, _ops, broadcast_all, standard_normal, uniform

_functional = _C._homes["nn.functional"]


def _standard_gamma(concentration):
    """One number of rate 1 for each concentration. Marsaglia & Tsang 2000, doi:10.1145/358407.358414."""
    where, shape = _ops["where"], tuple(concentration.shape)
    boosted = where(concentration < 1, concentration + 1, concentration)
    d = boosted - 1 / 3
    c = (9 * d).rsqrt()
    # Concentrations that no proposal can fit (not a number, infinite, negative) are taken as they come.
    pending = (concentration > 0) & (concentration < math.inf)
    drawn = d * (1 + 0 * concentration)
    while bool(pending.any()):
        x = standard_normal(shape, concentration)
        v = (1 + c * x) ** 3
        log_v = where(v > 0, v, _ops["ones_like"](v)).log()
        fits = (v > 0) & (uniform(shape, concentration).log() < 0.5 * x * x + d * (1 - v + log_v))
        drawn = where(pending & fits, d * v, drawn)
        pending = pending & ~fits
    power = uniform(shape, concentration).log() / concentration
    drawn = where(concentration < 1, drawn * power.exp(), drawn)
    return drawn.clamp(min=2.0**-1022 if concentration.dtype is _C.float64 else 2.0**-126)


def _slope(concentration, drawn):
    """d drawn / d concentration at a fixed probability: -(dP/da) / (dP/dx), P the regularized gamma function.

    Implicit reparameterization: Figurnov, Mohamed & Mnih 2018, arXiv:1805.08498. dP/da is a central
    difference of
    the logarithm of P below the mean and of 1 - P above it, in float64, which leaves eight digits.
    """
    a, x = concentration.to(_C.float64), drawn.to(_C.float64)
    step, below = 1e-5 * a, x < a
    lower, upper = _ops["igamma"], _ops["igammac"]

    def tail(shape):
        return _ops["where"](below, lower(shape, x), upper(shape, x))

    logarithm = (tail(a + step).log() - tail(a - step).log()) / (2 * step)
    log_density = (a - 1) * x.log() - x - a.lgamma()
    slope = logarithm * (tail(a).log() - log_density).exp()
    slope = _ops["where"](below, -slope, slope)
    # So far out that the tail has no digits left: the sample moves as the median does, by about one.
    return _ops["where"](slope.isfinite(), slope, _ops["ones_like"](slope)).to(drawn.dtype)


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx, concentration):
        drawn = _standard_gamma(concentration)
        ctx.save_for_backward(concentration, drawn)
        return drawn

    @staticmethod
    def backward(ctx, gradient):
        return gradient * _slope(*ctx.saved_tensors)


class Gamma(Distribution):
    """Density proportional to value^(concentration - 1) e^(-rate value)."""

    has_rsample = True
    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate**2)

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        return _StandardGamma.apply(self.concentration.expand(shape)) / self.rate

    def cdf(self, value):
        self._validate_sample(value)
        return _ops["igamma"](self.concentration, self.rate * value)

    def log_prob(self, value):
        self._validate_sample(value)
        a, xlogy = self.concentration, _ops["xlogy"]
        return xlogy(a, self.rate) + xlogy(a - 1, value) - self.rate * value - a.lgamma()

    def entropy(self):
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1 - a) * a.digamma()


def _sample_dirichlet(concentration, generator=None):
    """Dirichlet samples, whose last dimension adds up to one; differentiable in the concentrations."""
    if generator is not None:
        raise _C.NotImplementedError(
            "_sample_dirichlet: draws from the default generator only; seed that one"
        )
    drawn = _StandardGamma.apply(concentration)
    return drawn / drawn.sum(-1, keepdim=True)


class Chi2(Gamma):
    """The sum of the squares of df standard normal numbers."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        (self.df,) = broadcast_all(df)
        super().__init__(0.5 * self.df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return Chi2(self.df.expand(tuple(batch_shape)), self._validate_args)


class Dirichlet(Distribution):
    """Vectors of proportions that sum to 1; concentration has them last."""

    has_rsample = True
    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex

    def __init__(self, concentration, validate_args=None):
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = tuple(concentration.shape)
        super().__init__(shape[:-1], shape[-1:], validate_args)

    mean = property(lambda self: self.concentration / self.concentration.sum(-1, keepdim=True))

    @property
    def variance(self):
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    @property
    def mode(self):
        above = (self.concentration - 1).clamp(min=0)
        mode = above / above.sum(-1, keepdim=True)
        corner = _functional["one_hot"](self.concentration.argmax(-1), above.shape[-1]).to(mode.dtype)
        return _ops["where"]((self.concentration < 1).all(-1, keepdim=True), corner, mode)

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        return _sample_dirichlet(self.concentration.expand(shape))

    def log_prob(self, value):
        self._validate_sample(value)
        a = self.concentration
        return _ops["xlogy"](a - 1, value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self):
        a, n = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        normal = a.lgamma().sum(-1) - total.lgamma()
        return normal - (n - total) * total.digamma() - ((a - 1) * a.digamma()).sum(-1)


class Beta(Distribution):
    """Density proportional to value^(concentration1 - 1) (1 - value)^(concentration0 - 1)."""

    has_rsample = True
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    mean = property(lambda self: self.concentration1 / (self.concentration1 + self.concentration0))

    @property
    def variance(self):
        a, b = self.concentration1, self.concentration0
        return a * b / ((a + b) ** 2 * (a + b + 1))

    @property
    def _dirichlet(self):
        both = _ops["stack"]([self.concentration1, self.concentration0], -1)
        return Dirichlet(both, validate_args=False)

    mode = property(lambda self: self._dirichlet.mode[..., 0])

    def rsample(self, sample_shape=()):
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value):
        self._validate_sample(value)
        return self._dirichlet.log_prob(_ops["stack"]([value, 1 - value], -1))

    def entropy(self):
        return self._dirichlet.entropy()


class StudentT(Distribution):
    """loc + scale * the ratio of a standard normal number to the root of Chi2(df) / df."""

    has_rsample = True
    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    mode = property(lambda self: self.loc)

    @property
    def mean(self):
        return _ops["where"](self.df > 1, self.loc, _ops["full_like"](self.loc, math.nan))

    @property
    def variance(self):
        where, full_like, df = _ops["where"], _ops["full_like"], self.df
        usual = self.scale**2 * df / (where(df > 2, df, full_like(df, 3)) - 2)
        heavy = where(df > 1, full_like(df, math.inf), full_like(df, math.nan))
        return where(df > 2, usual, heavy)

    def rsample(self, sample_shape=()):
        df = self.df.expand(tuple(self._extended_shape(sample_shape)))
        ratio = (_StandardGamma.apply(0.5 * df) * 2 / df).rsqrt()
        return self.loc + self.scale * standard_normal(df.shape, df) * ratio

    def log_prob(self, value):
        self._validate_sample(value)
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        y = (value - self.loc) / self.scale
        normal = self.scale.log() + 0.5 * (self.df * math.pi).log() + half.lgamma() - more.lgamma()
        return -more * (y * y / self.df).log1p() - normal

    def entropy(self):
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = half.lgamma() + 0.5 * math.log(math.pi) - more.lgamma()
        return self.scale.log() + more * (more.digamma() - half.digamma()) + 0.5 * self.df.log() + log_beta


class FisherSnedecor(Distribution):
    """The ratio of Chi2(df1) / df1 to Chi2(df2) / df2."""

    has_rsample = True
    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive

    def __init__(self, df1, df2, validate_args=None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    mode = property(lambda self: (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2))

    @property
    def mean(self):
        nan = _ops["full_like"](self.df2, math.nan)
        return _ops["where"](self.df2 > 2, self.df2 / (self.df2 - 2), nan)

    @property
    def variance(self):
        a, b = self.df1, self.df2
        usual = 2 * b**2 * (a + b - 2) / (a * (b - 2) ** 2 * (b - 4))
        return _ops["where"](b > 4, usual, _ops["full_like"](b, math.nan))

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        above = _StandardGamma.apply(0.5 * self.df1.expand(shape)) / self.df1
        return above / (_StandardGamma.apply(0.5 * self.df2.expand(shape)) / self.df2)

    def log_prob(self, value):
        self._validate_sample(value)
        a, b = 0.5 * self.df1, 0.5 * self.df2
        ratio = self.df1 / self.df2
        normal = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return normal + a * ratio.log() + (a - 1) * value.log() - (a + b) * (ratio * value).log1p()


class InverseGamma(Distribution):
    """The reciprocal of a Gamma(concentration, rate) number."""

    has_rsample = True
    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    mode = property(lambda self: self.rate / (self.concentration + 1))

    @property
    def mean(self):
        a = self.concentration
        return _ops["where"](a > 1, self.rate / (a - 1), _ops["full_like"](a, math.inf))

    @property
    def variance(self):
        a = self.concentration
        usual = self.rate**2 / ((a - 1) ** 2 * (a - 2))
        return _ops["where"](a > 2, usual, _ops["full_like"](a, math.inf))

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        return self.rate / _StandardGamma.apply(self.concentration.expand(shape))

    def log_prob(self, value):
        self._validate_sample(value)
        a = self.concentration
        return a * self.rate.log() - a.lgamma() - (a + 1) * value.log() - self.rate / value

    def entropy(self):
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()
