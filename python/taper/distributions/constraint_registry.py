"""Which transforms lead from unconstrained numbers into a constraint: biject_to and transform_to."""

from . import constraints, transforms


class ConstraintRegistry:
    """Constraints and functions from them to transforms; called with a constraint, gives its transform."""

    def __init__(self):
        self._makers = {}

    def register(self, constraint, factory=None):
        """Links a constraint (one, or the class of some) to factory(constraint); also a decorator."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        key = constraint if isinstance(constraint, type) else type(constraint)
        self._makers[key] = factory
        return factory

    def __call__(self, constraint):
        for kind in type(constraint).__mro__:
            if kind in self._makers:
                return self._makers[kind](constraint)
        raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _both(constraint):
    def decorate(factory):
        biject_to.register(constraint, factory)
        return transform_to.register(constraint, factory)

    return decorate


@_both(constraints.real)
def _real(constraint):
    return transforms.identity_transform


@_both(constraints._Bounds)
def _bounds(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if constraint.is_discrete:
        raise NotImplementedError("Cannot transform discrete constraints")
    if low is not None and high is not None:
        if isinstance(low, (int, float)) and low == 0 and isinstance(high, (int, float)) and high == 1:
            return transforms.SigmoidTransform()
        return transforms.ComposeTransform(
            [transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)]
        )
    if low is not None:
        if isinstance(low, (int, float)) and low == 0:
            return transforms.ExpTransform()
        return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(low, 1)])
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(high, -1)])


@biject_to.register(constraints.independent)
def _biject_independent(constraint):
    return transforms.IndependentTransform(biject_to(constraint.base_constraint), constraint.count)


@transform_to.register(constraints.independent)
def _transform_independent(constraint):
    return transforms.IndependentTransform(transform_to(constraint.base_constraint), constraint.count)


@biject_to.register(constraints.simplex)
def _biject_simplex(constraint):
    return transforms.StickBreakingTransform()


@transform_to.register(constraints.simplex)
def _transform_simplex(constraint):
    return transforms.SoftmaxTransform()


@_both(constraints.lower_cholesky)
def _lower_cholesky(constraint):
    return transforms.LowerCholeskyTransform()


@_both(constraints.corr_cholesky)
def _corr_cholesky(constraint):
    return transforms.CorrCholeskyTransform()


@_both(constraints.positive_definite)
def _positive_definite(constraint):
    return transforms.PositiveDefiniteTransform()
