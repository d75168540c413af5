"""LowRankMultivariateNormal: Gaussian vectors whose covariance is a few directions and a diagonal."""

import math

from .. import linalg
from . import constraints
from .distribution import Distribution, _ops, standard_normal
from .multivariate import _whitened


class LowRankMultivariateNormal(Distribution):
    """Covariance cov_factor cov_factor^T + diag(cov_diag), cov_factor [..., n, rank], cov_diag [..., n].

    Densities cost n rank^2, by Woodbury's identity and the matrix determinant lemma.
    """

    has_rsample = True
    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.ndim < 2 or cov_factor.shape[-2] != n:
            raise ValueError(
                f"cov_factor must be a batch of matrices with {n} rows, got shape {tuple(cov_factor.shape)}"
            )
        if cov_diag.ndim < 1 or cov_diag.shape[-1] != n:
            raise ValueError(
                f"cov_diag must be a batch of vectors with shape ({n},), got shape {tuple(cov_diag.shape)}"
            )
        batch = _ops["broadcast_tensors"]([loc[..., 0], cov_factor[..., 0, 0], cov_diag[..., 0]])[0].shape
        batch = tuple(batch)
        self.loc, self.cov_diag = loc.expand(batch + (n,)), cov_diag.expand(batch + (n,))
        self.cov_factor = cov_factor.expand(batch + tuple(cov_factor.shape[-2:]))
        super().__init__(batch, (n,), validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: self.cov_factor.square().sum(-1) + self.cov_diag)
    covariance_matrix = property(
        lambda self: self.cov_factor @ self.cov_factor.mT + self.cov_diag.diag_embed()
    )
    scale_tril = property(lambda self: linalg.cholesky(self.covariance_matrix))

    @property
    def precision_matrix(self):
        """D^-1 - D^-1 W C^-1 W^T D^-1, C = I + W^T D^-1 W."""
        inverse = 1 / self.cov_diag
        half = _whitened(self._capacitance(), self.cov_factor.mT * inverse.unsqueeze(-2))
        return inverse.diag_embed() - half.mT @ half

    def _capacitance(self):
        """The lower Cholesky factor of I + W^T D^-1 W, [..., rank, rank]."""
        scaled = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        matrix = scaled @ self.cov_factor
        eye = _ops["eye"](matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
        return linalg.cholesky(matrix + eye)

    def _half_log_determinant(self, capacitance=None):
        factor = self._capacitance() if capacitance is None else capacitance
        return factor.diagonal(0, -2, -1).log().sum(-1) + 0.5 * self.cov_diag.log().sum(-1)

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        factors = standard_normal(shape[:-1] + (self.cov_factor.shape[-1], 1), self.loc)
        noise = standard_normal(shape, self.loc)
        return self.loc + (self.cov_factor @ factors).squeeze(-1) + self.cov_diag.sqrt() * noise

    def log_prob(self, value):
        self._validate_sample(value)
        apart, factor = value - self.loc, self._capacitance()
        along = _whitened(factor, self.cov_factor.mT @ (apart / self.cov_diag).unsqueeze(-1))
        distance = (apart**2 / self.cov_diag).sum(-1) - along.square().sum((-2, -1))
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - self._half_log_determinant(factor)

    def entropy(self):
        return 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_determinant()
