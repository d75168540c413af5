"""Distributions of vectors of real numbers."""

import math

from .. import linalg
from . import constraints
from .distribution import Distribution, _ops, standard_normal

_forms = ("covariance_matrix", "precision_matrix", "scale_tril")


def _factor(name, matrix):
    """The lower Cholesky factor, or a ValueError that says which parameter has none."""
    try:
        return linalg.cholesky(matrix)
    except linalg.LinAlgError as error:
        raise ValueError(f"MultivariateNormal: {name} is not positive definite: {error}") from error


class MultivariateNormal(Distribution):
    """Gaussian vectors of mean loc, given a covariance, its inverse, or its lower Cholesky factor."""

    has_rsample = True
    arg_constraints = {"loc": constraints.real_vector}
    support = constraints.real_vector

    def __init__(
        self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None
    ):
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1:
            raise ValueError(f"MultivariateNormal: exactly one of {', '.join(_forms)} may be specified.")
        if loc.ndim < 1:
            raise ValueError("MultivariateNormal: loc must be at least one-dimensional.")
        (matrix,), n = given, loc.shape[-1]
        if matrix.ndim < 2 or tuple(matrix.shape[-2:]) != (n, n):
            raise ValueError(
                f"MultivariateNormal: got a matrix of shape {tuple(matrix.shape)} for a loc of shape "
                f"{tuple(loc.shape)}, expected (..., {n}, {n})"
            )
        if covariance_matrix is not None:
            factor = _factor("covariance_matrix", matrix)
        elif precision_matrix is not None:
            factor = _factor("precision_matrix", linalg.inv(matrix))
        else:
            factor = matrix
        batch = tuple(_ops["broadcast_tensors"]([loc[..., 0], factor[..., 0, 0]])[0].shape)
        self.loc, self.scale_tril = loc.expand(batch + (n,)), factor.expand(batch + (n, n))
        super().__init__(batch, (n,), validate_args)
        if self._validate_args and not bool((factor.diagonal(0, -2, -1) > 0).all()):
            raise ValueError("MultivariateNormal: scale_tril needs a positive diagonal")

    covariance_matrix = property(lambda self: self.scale_tril @ self.scale_tril.mT)
    precision_matrix = property(lambda self: linalg.inv(self.covariance_matrix))
    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: (self.scale_tril**2).sum(-1))

    def expand(self, batch_shape, _instance=None):
        shape = tuple(batch_shape) + tuple(self._event_shape)
        tril = self.scale_tril.expand(shape + tuple(self._event_shape))
        return MultivariateNormal(self.loc.expand(shape), scale_tril=tril, validate_args=self._validate_args)

    def rsample(self, sample_shape=()):
        noise = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _half_log_determinant(self):
        return self.scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value):
        self._validate_sample(value)
        z = _whitened(self.scale_tril, (value - self.loc).unsqueeze(-1))
        n = self._event_shape[0]
        return -0.5 * ((z**2).sum((-2, -1)) + n * math.log(2 * math.pi)) - self._half_log_determinant()

    def entropy(self):
        return 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_determinant()


def _whitened(tril, columns):
    """tril^-1 columns, over broadcast batches."""
    shape = _ops["broadcast_tensors"]([tril[..., 0, 0], columns[..., 0, 0]])[0].shape
    tril = tril.expand(tuple(shape) + tuple(tril.shape[-2:]))
    columns = columns.expand(tuple(shape) + tuple(columns.shape[-2:]))
    return linalg.solve_triangular(tril, columns, upper=False)


def kl_multivariate_normal(p, q):
    """KL(p || q) = (tr(Q^-1 P) + |Q^-1/2 (q.loc - p.loc)|^2 - n) / 2 + log det Q^1/2 - log det P^1/2."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    trace = (_whitened(q.scale_tril, p.scale_tril) ** 2).sum((-2, -1))
    distance = (_whitened(q.scale_tril, (q.loc - p.loc).unsqueeze(-1)) ** 2).sum((-2, -1))
    logs = q._half_log_determinant() - p._half_log_determinant()
    return logs + 0.5 * (trace + distance - p.event_shape[0])
