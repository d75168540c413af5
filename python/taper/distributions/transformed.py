"""A distribution behind invertible functions."""

from . import constraints
from .composed import Independent
from .distribution import Distribution
from .transforms import ComposeTransform, Transform


def _summed(value, count):
    return value.sum(tuple(range(-count, 0))) if count else value


class TransformedDistribution(Distribution):
    """The distribution of transforms[-1](... transforms[0](x)) for x of base_distribution."""

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(transform, Transform) for transform in self.transforms):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        whole = ComposeTransform(self.transforms)
        shape = tuple(base_distribution.batch_shape) + tuple(base_distribution.event_shape)
        if len(shape) < whole.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but "
                f"got {shape}."
            )
        expanded = whole.inverse_shape(whole.forward_shape(shape))
        if tuple(expanded) != shape:
            batch = tuple(expanded)[: len(expanded) - len(base_distribution.event_shape)]
            base_distribution = base_distribution.expand(batch)
        reinterpreted = whole.domain.event_dim - len(base_distribution.event_shape)
        if reinterpreted > 0:
            base_distribution = Independent(base_distribution, reinterpreted)
        self.base_dist = base_distribution
        event_dim = whole.codomain.event_dim + max(
            len(base_distribution.event_shape) - whole.domain.event_dim, 0
        )
        forward = tuple(whole.forward_shape(expanded))
        cut = len(forward) - event_dim
        super().__init__(forward[:cut], forward[cut:], validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)

    @property
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        extra = len(self.event_shape) - support.event_dim
        return constraints.independent(support, extra) if extra > 0 else support

    def expand(self, batch_shape, _instance=None):
        shape = tuple(batch_shape) + tuple(self.event_shape)
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        base = self.base_dist.expand(tuple(shape)[: len(shape) - len(self.base_dist.event_shape)])
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.base_dist, made._batch_shape = base, type(self._batch_shape)(batch_shape)
        return made

    def _forward(self, value):
        for transform in self.transforms:
            value = transform(value)
        return value

    def _sample(self, sample_shape):
        return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=()):
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value):
        self._validate_sample(value)
        event_dim, result, y = len(self.event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            jacobian = transform.log_abs_det_jacobian(x, y)
            result = result - _summed(jacobian, event_dim - transform.domain.event_dim)
            y = x
        return result + _summed(self.base_dist.log_prob(y), event_dim - len(self.base_dist.event_shape))

    def _monotone(self, value):
        # The sign of the slope turns a distribution function around.
        sign = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return sign * (value - 0.5) + 0.5

    def cdf(self, value):
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self._monotone(self.base_dist.cdf(value))

    def icdf(self, value):
        return self._forward(self.base_dist.icdf(self._monotone(value)))

    def __repr__(self):
        return f"{type(self).__name__}({self.base_dist}, {self.transforms})"
