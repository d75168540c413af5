"""The base of distributions."""

from .. import _C
from .._creation import _on

_ops = _C._homes["taper"]


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape."""
    tensors = [value for value in values if isinstance(value, _C.Tensor)]
    dtype = tensors[0].dtype if tensors else _C.get_default_dtype()
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = next((x.dtype for x in tensors if x.is_floating_point()), dtype)
    place = tensors[0].device if tensors else None
    made = [
        value if isinstance(value, _C.Tensor) else _on(place, _C._from_data(value, dtype, True))
        for value in values
    ]
    return _ops["broadcast_tensors"](made)


def standard_normal(shape, like):
    """Standard normal numbers of like's dtype."""
    return _ops["randn"](tuple(shape), dtype=like.dtype, device=like.device)


def uniform(shape, like, generator=None):
    """Numbers in (0, 1) of like's dtype, never 0, so that their logarithm is finite."""
    tiny = 2.0**-53 if like.dtype is _C.float64 else 2.0**-24
    drawn = _ops["rand"](tuple(shape), generator=generator, dtype=like.dtype, device=like.device)
    return drawn.clamp(min=tiny, max=1 - tiny)


class Distribution:
    """A distribution over values of shape event_shape, for each of batch_shape parameters."""

    has_rsample = False
    has_enumerate_support = False
    arg_constraints = {}
    support = None
    _validate_args = True

    @staticmethod
    def set_default_validate_args(value):
        """Whether new distributions check their parameters and values."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected a bool, got {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = _C.Size(batch_shape), _C.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self):
        for name, constraint in self.arg_constraints.items():
            if name not in self.__dict__:
                continue
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    batch_shape = property(lambda self: self._batch_shape)
    event_shape = property(lambda self: self._event_shape)
    stddev = property(lambda self: self.variance.sqrt())

    @property
    def mean(self):
        raise NotImplementedError

    @property
    def variance(self):
        raise NotImplementedError

    @property
    def mode(self):
        raise NotImplementedError(f"{type(self)} does not implement mode")

    def sample(self, sample_shape=()):
        """Values of shape sample_shape + batch_shape + event_shape, without gradients."""
        enabled = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            return self._sample(sample_shape)
        finally:
            _C._set_grad_enabled(enabled)

    def _sample(self, sample_shape):
        return self.rsample(sample_shape).detach()

    def rsample(self, sample_shape=()):
        """Values that are differentiable with respect to the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample")

    def sample_n(self, n):
        """n values: sample((n,))."""
        return self.sample((n,))

    def log_prob(self, value):
        """Logarithm of the density (or probability) at value."""
        raise NotImplementedError

    def cdf(self, value):
        """Probability of at most value."""
        raise NotImplementedError

    def icdf(self, value):
        """The value that is not exceeded with this probability."""
        raise NotImplementedError

    def entropy(self):
        """Entropy in nats, shaped batch_shape."""
        raise NotImplementedError

    def perplexity(self):
        """exp of the entropy."""
        return self.entropy().exp()

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution."""
        raise NotImplementedError

    def expand(self, batch_shape, _instance=None):
        """The distribution with parameters expanded to batch_shape."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                keep = self.arg_constraints[name].event_dim
                event = tuple(value.shape[value.ndim - keep :])
                made.__dict__[name] = value.expand(tuple(batch_shape) + event)
        made._batch_shape = _C.Size(batch_shape)
        return made

    def _extended_shape(self, sample_shape=()):
        return _C.Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def _validate_sample(self, value):
        if not self._validate_args:
            return
        if not isinstance(value, _C.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        events = len(self._event_shape)
        if tuple(value.shape[value.ndim - events :]) != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {tuple(value.shape)} vs "
                f"{tuple(self._event_shape)}."
            )
        _ops["broadcast_tensors"](
            [
                _ops["empty"](tuple(value.shape[: value.ndim - events])),
                _ops["empty"](tuple(self._batch_shape)),
            ]
        )
        support = self.support
        if support is not None and not bool(support.check(value).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape "
                f"{tuple(value.shape)}) to be within the support ({support!r}) of the "
                f"distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self):
        names = [name for name in self.arg_constraints if name in self.__dict__]
        values = [self.__dict__[name] for name in names]
        parts = [
            f"{name}: {value.item() if value.numel() == 1 else value.size()}"
            for name, value in zip(names, values)
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


class ExponentialFamily(Distribution):
    """Base of distributions with density exp(t(x) . theta - F(theta) + k(x)).

    A subclass gives _natural_params (a tuple of theta), _log_normalizer(*theta) = F and
    _mean_carrier_measure = E[k(x)]; entropy follows from F's gradient: Nielsen & Nock 2010.
    """

    @property
    def _natural_params(self):
        raise NotImplementedError

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        raise NotImplementedError

    def entropy(self):
        from ..autograd import grad

        params = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*params)
        gradients = grad(normalizer.sum(), params, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for p, g in zip(params, gradients):
            result = result - _sum_from(p * g, len(self._batch_shape))
        return result


def _sum_from(value, dim):
    return value.flatten(dim).sum(-1) if value.ndim > dim else value
