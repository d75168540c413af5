"""Distributions of matrices: LKJCholesky of correlations, Wishart of covariances."""

import math

from .. import linalg
from . import constraints
from .distribution import Distribution, _ops, broadcast_all, standard_normal
from .gamma import Beta, Gamma
from .multivariate import _whitened


def _diagonal(matrix):
    return matrix.diagonal(0, -2, -1)


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices [dim, dim] with density det^(concentration - 1).

    Lewandowski, Kurowicka & Joe 2009, doi:10.1016/j.jmva.2009.04.008; drawn by their onion method.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def _sample(self, sample_shape):
        like = self.concentration
        halves = 0.5 * _ops["arange"](self.dim - 1, dtype=like.dtype, device=like.device)
        below = Beta(halves + 0.5, like.unsqueeze(-1) + 0.5 * (self.dim - 2) - halves, validate_args=False)
        radius = below.sample(sample_shape).unsqueeze(-1)  # [..., dim - 1, 1]
        direction = standard_normal(self._extended_shape(sample_shape), like).tril(-1)[..., 1:, :]
        rows = radius.sqrt() * direction / direction.norm(dim=-1, keepdim=True)
        rows = _ops["cat"]([_ops["zeros_like"](rows[..., :1, :]), rows], -2)
        rest = (1 - rows.square().sum(-1)).clamp(min=2.0**-126).sqrt()
        return rows + rest.diag_embed()

    def log_prob(self, value):
        self._validate_sample(value)
        like, n = self.concentration, self.dim - 1
        order = _ops["arange"](2, self.dim + 1, dtype=like.dtype, device=like.device)
        powers = 2 * (like - 1).unsqueeze(-1) + self.dim - order
        density = (powers * _diagonal(value)[..., 1:].log()).sum(-1)
        alpha = like + 0.5 * n
        return density - 0.5 * n * math.log(math.pi) - (alpha - 0.5).mvlgamma(n) + alpha.lgamma() * n


class Wishart(Distribution):
    """Sums of df outer products of Gaussian vectors of a covariance [n, n]: Wishart 1928.

    df > n - 1, given one of covariance, its inverse, its lower Cholesky factor. Drawn by Bartlett's
    decomposition.
    """

    has_rsample = True
    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }
    support = constraints.positive_definite

    def __init__(
        self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None
    ):
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        (matrix,) = given
        if matrix.ndim < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        n = matrix.shape[-1]
        (df, _) = broadcast_all(df, matrix[..., 0, 0])
        batch = tuple(df.shape)
        if bool((df <= n - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if covariance_matrix is not None:
            factor = linalg.cholesky(matrix)
        elif precision_matrix is not None:
            factor = linalg.cholesky(linalg.inv(matrix))
        else:
            factor = matrix
        self.df, self.scale_tril = df, factor.expand(batch + (n, n))
        super().__init__(batch, (n, n), validate_args)

    covariance_matrix = property(lambda self: self.scale_tril @ self.scale_tril.mT)
    precision_matrix = property(lambda self: linalg.inv(self.covariance_matrix))
    mean = property(lambda self: self.df[..., None, None] * self.covariance_matrix)

    @property
    def mode(self):
        factor = self.df - self._event_shape[-1] - 1
        factor = _ops["where"](factor > 0, factor, _ops["full_like"](factor, math.nan))
        return factor[..., None, None] * self.covariance_matrix

    @property
    def variance(self):
        covariance = self.covariance_matrix
        diagonal = _diagonal(covariance)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df[..., None, None] * (covariance**2 + outer)

    def rsample(self, sample_shape=(), max_try_correction=None):
        """max_try_correction is accepted for PyTorch's sake: no factor drawn here is singular."""
        n = self._event_shape[-1]
        degrees = self.df.unsqueeze(-1) - _ops["arange"](n, dtype=self.df.dtype, device=self.df.device)
        chi2 = Gamma(0.5 * degrees, 0.5, validate_args=False).rsample(sample_shape)
        noise = standard_normal(self._extended_shape(sample_shape), self.df).tril(-1)
        factor = self.scale_tril @ (noise + chi2.sqrt().diag_embed())
        return factor @ factor.mT

    def _half_log_determinant(self):
        return _diagonal(self.scale_tril).log().sum(-1)

    def _log_normalizer(self):
        n = self._event_shape[-1]
        return self.df * (0.5 * n * math.log(2) + self._half_log_determinant()) + (0.5 * self.df).mvlgamma(n)

    def _mean_log_determinant(self):
        n = self._event_shape[-1]
        halves = 0.5 * _ops["arange"](n, dtype=self.df.dtype, device=self.df.device)
        digammas = (0.5 * self.df.unsqueeze(-1) - halves).digamma().sum(-1)
        return digammas + n * math.log(2) + 2 * self._half_log_determinant()

    def log_prob(self, value):
        self._validate_sample(value)
        n = self._event_shape[-1]
        factor = linalg.cholesky(value)
        trace = _whitened(self.scale_tril, factor).square().sum((-2, -1))
        half_log = _diagonal(factor).log().sum(-1)
        return (self.df - n - 1) * half_log - 0.5 * trace - self._log_normalizer()

    def entropy(self):
        n = self._event_shape[-1]
        power = 0.5 * (self.df - n - 1)
        return self._log_normalizer() - power * self._mean_log_determinant() + 0.5 * n * self.df


def kl_wishart(p, q):
    """E_p[log p - log q], both over matrices [n, n]."""
    n = p.event_shape[-1]
    trace = _whitened(q.scale_tril, p.scale_tril).square().sum((-2, -1))
    powers = 0.5 * (p.df - q.df) * p._mean_log_determinant()
    return q._log_normalizer() - p._log_normalizer() + powers + 0.5 * p.df * (trace - n)
