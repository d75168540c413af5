"""Invertible functions with the logarithm of their Jacobian determinant."""

import math

from .. import _C
from . import constraints
from .distribution import _ops
from .utils import tril_matrix_to_vec, vec_to_tril_matrix

_functional = _C._homes["nn.functional"]


def _softplus(x):
    return x.clamp(min=0) + (-x.abs()).exp().log1p()


def _sum_last(value, count):
    return value.sum(tuple(range(-count, 0))) if count else value


class Transform:
    """y = transform(x), x = transform.inv(y); log_abs_det_jacobian(x, y) is log |dy/dx|.

    Own transforms define _call(x), _inverse(y) and log_abs_det_jacobian(x, y).
    """

    bijective = False
    domain = codomain = constraints.real

    def __init__(self, cache_size=0):
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size, self._cached = cache_size, (None, None)

    event_dim = property(lambda self: self.domain.event_dim)

    @property
    def sign(self):
        """Of the slope, for monotone functions of one number: 1 or -1."""
        raise NotImplementedError(f"{type(self).__name__} has no sign: it is not monotone")

    @property
    def inv(self):
        """The inverse function, a Transform too."""
        return _Inverse(self)

    def with_cache(self, cache_size=1):
        """The same function, remembering its last value (1) or none (0)."""
        self._cache_size = cache_size
        return self

    def __call__(self, x):
        if self._cache_size and self._cached[0] is x:
            return self._cached[1]
        y = self._call(x)
        if self._cache_size:
            self._cached = (x, y)
        return y

    def _inv_call(self, y):
        if self._cache_size and self._cached[1] is y:
            return self._cached[0]
        x = self._inverse(y)
        if self._cache_size:
            self._cached = (x, y)
        return x

    def _call(self, x):
        raise NotImplementedError

    def _inverse(self, y):
        raise NotImplementedError

    def log_abs_det_jacobian(self, x, y):
        raise NotImplementedError

    def forward_shape(self, shape):
        """The shape of transform(x) for x of shape."""
        return shape

    def inverse_shape(self, shape):
        """The shape of transform.inv(y) for y of shape."""
        return shape

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def __repr__(self):
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    """The inverse of a transform."""

    def __init__(self, transform):
        super().__init__()
        self._inv = transform

    domain = property(lambda self: self._inv.codomain)
    codomain = property(lambda self: self._inv.domain)
    bijective = property(lambda self: self._inv.bijective)
    sign = property(lambda self: self._inv.sign)
    inv = property(lambda self: self._inv)

    def __eq__(self, other):
        return isinstance(other, _Inverse) and self._inv == other._inv

    __hash__ = Transform.__hash__

    def __call__(self, y):
        return self._inv._inv_call(y)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)

    def __repr__(self):
        return f"{self._inv!r}.inv"


class ComposeTransform(Transform):
    """parts applied one after another."""

    def __init__(self, parts, cache_size=0):
        super().__init__(cache_size)
        self.parts = list(parts)

    def __eq__(self, other):
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = Transform.__hash__

    @property
    def domain(self):
        if not self.parts:
            return constraints.real
        domain, event_dim = self.parts[0].domain, self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            event_dim = max(
                event_dim + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim
            )
        extra = event_dim - domain.event_dim
        return constraints.independent(domain, extra) if extra > 0 else domain

    @property
    def codomain(self):
        if not self.parts:
            return constraints.real
        codomain, event_dim = self.parts[-1].codomain, self.parts[0].domain.event_dim
        for part in self.parts:
            event_dim = max(
                event_dim + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim
            )
        extra = event_dim - codomain.event_dim
        return constraints.independent(codomain, extra) if extra > 0 else codomain

    bijective = property(lambda self: all(part.bijective for part in self.parts))

    @property
    def sign(self):
        sign = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign

    def _call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y):
        for part in reversed(self.parts):
            y = part.inv(y)
        return y

    def log_abs_det_jacobian(self, x, y):
        if not self.parts:
            return _ops["zeros_like"](x)
        values = [x]
        for part in self.parts[:-1]:
            values.append(part(values[-1]))
        values.append(y)
        total, event_dim = 0, self.domain.event_dim
        for part, before, after in zip(self.parts, values, values[1:]):
            total = total + _sum_last(
                part.log_abs_det_jacobian(before, after), event_dim - part.domain.event_dim
            )
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return total

    def forward_shape(self, shape):
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self):
        return f"ComposeTransform({self.parts})"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """base_transform with its last dimensions counted as part of one event."""

    def __init__(self, base_transform, reinterpreted_batch_ndims, cache_size=0):
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims

    domain = property(
        lambda self: constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)
    )
    codomain = property(
        lambda self: constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)
    )
    bijective = property(lambda self: self.base_transform.bijective)
    sign = property(lambda self: self.base_transform.sign)

    def _call(self, x):
        return self.base_transform(x)

    def _inverse(self, y):
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x, y):
        return _sum_last(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape):
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape):
        return self.base_transform.inverse_shape(shape)


class ReshapeTransform(Transform):
    """The last dimensions, of in_shape, as out_shape."""

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError(
                f"in_shape, out_shape have different numbers of elements: {in_shape}, {out_shape}"
            )

    domain = property(lambda self: constraints.independent(constraints.real, len(self.in_shape)))
    codomain = property(lambda self: constraints.independent(constraints.real, len(self.out_shape)))

    def _reshaped(self, shape, old, new):
        shape = tuple(shape)
        cut = len(shape) - len(old)
        if cut < 0 or shape[cut:] != old:
            raise ValueError(f"Shape mismatch: expected the last dimensions to be {old} but got {shape}")
        return shape[:cut] + new

    def _call(self, x):
        return x.reshape(self._reshaped(x.shape, self.in_shape, self.out_shape))

    def _inverse(self, y):
        return y.reshape(self._reshaped(y.shape, self.out_shape, self.in_shape))

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(self._reshaped(x.shape, self.in_shape, ()))

    def forward_shape(self, shape):
        return self._reshaped(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        return self._reshaped(shape, self.out_shape, self.in_shape)


class ExpTransform(Transform):
    """y = exp(x)."""

    codomain, bijective, sign = constraints.positive, True, 1

    def __eq__(self, other):
        return isinstance(other, ExpTransform)

    __hash__ = Transform.__hash__

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """y = x^exponent for positive x."""

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size)
        self.exponent = exponent if isinstance(exponent, _C.Tensor) else _C._from_data(exponent, None, True)

    sign = property(lambda self: self.exponent.sign())

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x)), kept inside of (0, 1)."""

    codomain, bijective, sign = constraints.unit_interval, True, 1

    def __eq__(self, other):
        return isinstance(other, SigmoidTransform)

    __hash__ = Transform.__hash__

    def _call(self, x):
        tiny, eps = (2.0**-1022, 2.0**-52) if x.dtype is _C.float64 else (2.0**-126, 2.0**-23)
        return x.sigmoid().clamp(min=tiny, max=1 - eps)

    def _inverse(self, y):
        tiny, eps = (2.0**-1022, 2.0**-52) if y.dtype is _C.float64 else (2.0**-126, 2.0**-23)
        y = y.clamp(min=tiny, max=1 - eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x, y):
        return -_softplus(-x) - _softplus(x)


class TanhTransform(Transform):
    """y = tanh(x); its logarithm of the slope does not lose the tails. Cache it: atanh cannot tell large x
    apart."""

    codomain, bijective, sign = constraints.interval(-1.0, 1.0), True, 1

    def __eq__(self, other):
        return isinstance(other, TanhTransform)

    __hash__ = Transform.__hash__

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return y.atanh()

    def log_abs_det_jacobian(self, x, y):
        return 2 * (math.log(2) - x - _softplus(-2 * x))


class SoftplusTransform(Transform):
    """y = log(1 + exp(x))."""

    codomain, bijective, sign = constraints.positive, True, 1

    def __eq__(self, other):
        return isinstance(other, SoftplusTransform)

    __hash__ = Transform.__hash__

    def _call(self, x):
        return _softplus(x)

    def _inverse(self, y):
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x, y):
        return -_softplus(-x)


class AbsTransform(Transform):
    """y = |x|; the inverse takes the positive one."""

    codomain = constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """y = loc + scale x."""

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    event_dim = property(lambda self: self._event_dim)

    @property
    def domain(self):
        return (
            constraints.independent(constraints.real, self._event_dim)
            if self._event_dim
            else constraints.real
        )

    codomain = domain

    @property
    def sign(self):
        if isinstance(self.scale, _C.Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        scale = self.scale
        if isinstance(scale, _C.Tensor):
            result = scale.abs().log().expand(_ops["broadcast_tensors"]([scale, x])[0].shape)
        else:
            result = _ops["full_like"](x, math.log(abs(scale)))
        return _sum_last(result, self._event_dim)

    def _broadcast(self, shape):
        shapes = [tuple(shape)] + [tuple(p.shape) for p in (self.loc, self.scale) if isinstance(p, _C.Tensor)]
        return _ops["broadcast_tensors"]([_ops["empty"](s) for s in shapes])[0].shape

    forward_shape = inverse_shape = _broadcast


class SoftmaxTransform(Transform):
    """y = softmax(x) over the last dimension; not bijective, the inverse is log(y)."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x):
        return (x - x.max(-1, True)[0]).softmax(-1)

    def _inverse(self, y):
        return y.log()


class StickBreakingTransform(Transform):
    """n numbers as n + 1 proportions that sum to 1, by breaking pieces off a stick."""

    domain, codomain, bijective = constraints.real_vector, constraints.simplex, True

    def _offset(self, x):
        return x.shape[-1] + 1 - _ops["ones"]((x.shape[-1],), dtype=x.dtype, device=x.device).cumsum(-1)

    def _call(self, x):
        z = SigmoidTransform()(x - self._offset(x).log())
        rest = (1 - z).cumprod(-1)
        pad = _functional["pad"]
        return pad(z, (0, 1), value=1.0) * pad(rest, (1, 0), value=1.0)

    def _inverse(self, y):
        cropped = y[..., :-1]
        offset = y.shape[-1] - _ops["ones"]((cropped.shape[-1],), dtype=y.dtype, device=y.device).cumsum(-1)
        rest = (1 - cropped.cumsum(-1)).clamp(min=2.0**-126)
        return cropped.log() - rest.log() + offset.log()

    def log_abs_det_jacobian(self, x, y):
        x = x - self._offset(x).log()
        return (-x - _softplus(-x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        return tuple(shape)[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        return tuple(shape)[:-1] + (shape[-1] - 1,)


class CorrCholeskyTransform(Transform):
    """n(n - 1)/2 numbers as the Cholesky factor of a correlation matrix [n, n], row by row.

    tanh of the numbers are partial correlations: Stan Reference Manual, section "Cholesky factors of
    correlation matrices".
    """

    domain, codomain, bijective = constraints.real_vector, constraints.corr_cholesky, True

    def _call(self, x):
        eps = 2.0**-52 if x.dtype is _C.float64 else 2.0**-23
        partial = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), -1)
        rest = (1 - partial**2).sqrt().cumprod(-1)[..., :-1]
        eye = _ops["eye"](partial.shape[-1], dtype=x.dtype, device=x.device)
        return (partial + eye) * _functional["pad"](rest, (1, 0), value=1.0)

    def _inverse(self, y):
        rest = _functional["pad"](1 - y.square().cumsum(-1)[..., :-1], (1, 0), value=1.0)
        partial = tril_matrix_to_vec(y, -1) / tril_matrix_to_vec(rest, -1).sqrt()
        return partial.atanh()

    def log_abs_det_jacobian(self, x, y):
        stick = 0.5 * tril_matrix_to_vec(1 - y.square().cumsum(-1), -2).log().sum(-1)
        return stick - 2 * (x + _softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape):
        n = round(0.5 + math.sqrt(0.25 + 2 * shape[-1]))
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return tuple(shape)[:-1] + (n, n)

    def inverse_shape(self, shape):
        if len(shape) < 2 or shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return tuple(shape)[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class LowerCholeskyTransform(Transform):
    """A square matrix as a lower triangular one with a positive diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """A square matrix as a positive definite one."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        from ..linalg import cholesky

        return LowerCholeskyTransform().inv(cholesky(y))


class CumulativeDistributionTransform(Transform):
    """y = the distribution function of distribution at x."""

    bijective, codomain, sign = True, constraints.unit_interval, 1

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support)

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)


class StackTransform(Transform):
    """One transform for each slice along dim."""

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(cache_size)
        self.transforms, self.dim = list(tseq), dim

    bijective = property(lambda self: all(t.bijective for t in self.transforms))
    domain = property(lambda self: constraints.stack([t.domain for t in self.transforms], self.dim))
    codomain = property(lambda self: constraints.stack([t.codomain for t in self.transforms], self.dim))

    def _each(self, functions, *values):
        slices = zip(*(value.unbind(self.dim) for value in values))
        return _ops["stack"]([function(*parts) for function, parts in zip(functions, slices)], self.dim)

    def _call(self, x):
        return self._each(self.transforms, x)

    def _inverse(self, y):
        return self._each([t.inv for t in self.transforms], y)

    def log_abs_det_jacobian(self, x, y):
        return self._each([t.log_abs_det_jacobian for t in self.transforms], x, y)


class CatTransform(Transform):
    """One transform for each of the parts, of these lengths, along dim."""

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(cache_size)
        self.transforms, self.dim = list(tseq), dim
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)

    length = property(lambda self: sum(self.lengths))
    bijective = property(lambda self: all(t.bijective for t in self.transforms))
    event_dim = property(lambda self: max(t.event_dim for t in self.transforms))
    domain = property(
        lambda self: constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)
    )
    codomain = property(
        lambda self: constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)
    )

    def _each(self, functions, *values):
        parts = zip(*(value.split(self.lengths, self.dim) for value in values))
        return [function(*part) for function, part in zip(functions, parts)]

    def _call(self, x):
        return _ops["cat"](self._each(self.transforms, x), self.dim)

    def _inverse(self, y):
        return _ops["cat"](self._each([t.inv for t in self.transforms], y), self.dim)

    def log_abs_det_jacobian(self, x, y):
        logs = self._each([t.log_abs_det_jacobian for t in self.transforms], x, y)
        dim = self.dim if self.dim < 0 else self.dim - x.ndim
        if dim + self.event_dim < 0:
            return _ops["cat"](logs, dim + self.event_dim)
        return sum(logs)
