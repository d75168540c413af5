"""Sets in which parameters and values of distributions lie."""


class Constraint:
    """A set: check(value) says elementwise (over the last event_dim dimensions) whether value lies in it."""

    is_discrete = False
    event_dim = 0

    def check(self, value):
        raise NotImplementedError

    def __repr__(self):
        return f"{type(self).__name__.lstrip('_')}()"


class _Real(Constraint):
    def check(self, value):
        return value == value


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value):
        return (value == 0) | (value == 1)


class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value):
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _Bounds(Constraint):
    """Numbers between two bounds, each a number or a tensor; None where there is none."""

    def __init__(
        self, lower_bound=None, upper_bound=None, strict_lower=False, strict_upper=False, integer=False
    ):
        self.lower_bound, self.upper_bound = lower_bound, upper_bound
        self.strict_lower, self.strict_upper, self.is_discrete = strict_lower, strict_upper, integer

    def check(self, value):
        inside = value == value
        if self.lower_bound is not None:
            inside = inside & (value > self.lower_bound if self.strict_lower else value >= self.lower_bound)
        if self.upper_bound is not None:
            inside = inside & (value < self.upper_bound if self.strict_upper else value <= self.upper_bound)
        return inside & (value % 1 == 0) if self.is_discrete else inside

    def __repr__(self):
        return (
            f"Bounds(lower_bound={self.lower_bound}, upper_bound={self.upper_bound}, "
            f"integer={self.is_discrete})"
        )


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value):
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class independent(Constraint):
    """A constraint on the last dimensions together."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self.base_constraint, self.count = base_constraint, reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value):
        inside = self.base_constraint.check(value)
        return inside.reshape(tuple(inside.shape[: inside.ndim - self.count]) + (-1,)).all(-1)


def greater_than(lower_bound):
    """Numbers above lower_bound."""
    return _Bounds(lower_bound, strict_lower=True)


def greater_than_eq(lower_bound):
    """Numbers not below lower_bound."""
    return _Bounds(lower_bound)


def less_than(upper_bound):
    """Numbers below upper_bound."""
    return _Bounds(None, upper_bound, strict_upper=True)


def interval(lower_bound, upper_bound):
    """Numbers between both, inclusive."""
    return _Bounds(lower_bound, upper_bound)


def half_open_interval(lower_bound, upper_bound):
    """Numbers from lower_bound up to, but without, upper_bound."""
    return _Bounds(lower_bound, upper_bound, strict_upper=True)


def integer_interval(lower_bound, upper_bound):
    """Whole numbers between both, inclusive."""
    return _Bounds(lower_bound, upper_bound, integer=True)


real, boolean, one_hot, simplex = _Real(), _Boolean(), _OneHot(), _Simplex()
positive, nonnegative, unit_interval = greater_than(0.0), greater_than_eq(0.0), interval(0.0, 1.0)
nonnegative_integer, positive_integer = _Bounds(0, integer=True), _Bounds(1, integer=True)
real_vector = independent(real, 1)
