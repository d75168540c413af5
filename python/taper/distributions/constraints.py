"""Sets in which parameters and values of distributions lie."""

from .. import _C


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
        low, high = f"lower_bound={self.lower_bound}", f"upper_bound={self.upper_bound}"
        if self.upper_bound is None:
            kind = "IntegerGreaterThan" if self.is_discrete else "GreaterThan"
            return f"{kind if self.strict_lower or self.is_discrete else kind + 'Eq'}({low})"
        if self.lower_bound is None:
            return f"{'IntegerLessThan' if self.is_discrete else 'LessThan'}({high})"
        kind = "Integer" if self.is_discrete else "HalfOpen" if self.strict_upper else ""
        return f"{kind}Interval({low}, {high})"


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


class _Dependent(Constraint):
    """A set that depends on other parameters."""

    def check(self, value):
        raise ValueError("Cannot determine validity of dependent constraint")


class multinomial(Constraint):
    """Vectors of whole numbers that sum to upper_bound."""

    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return (value >= 0).all(-1) & (value % 1 == 0).all(-1) & (value.sum(-1) == self.upper_bound)


class _LowerTriangular(Constraint):
    event_dim = 2

    def check(self, value):
        return (value.tril() == value).flatten(-2).all(-1)


class _LowerCholesky(_LowerTriangular):
    def check(self, value):
        return super().check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    def check(self, value):
        tolerance = (2.0**-52 if value.dtype is _C.float64 else 2.0**-23) * value.shape[-1] * 10
        unit = ((value.square().sum(-1).sqrt() - 1).abs() < tolerance).all(-1)
        return super().check(value) & unit


class _Square(Constraint):
    event_dim = 2

    def check(self, value):
        result = value.new_ones(tuple(value.shape[:-2]), dtype=_C.bool)
        return result if value.shape[-1] == value.shape[-2] else ~result


class _Symmetric(_Square):
    def check(self, value):
        square = super().check(value)
        if not bool(square.all()):
            return square
        return ((value - value.mT).abs() <= 1e-6).flatten(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    def check(self, value):
        from ..linalg import eigvalsh

        symmetric = super().check(value)
        return symmetric & (eigvalsh(value) >= 0).all(-1) if bool(symmetric.all()) else symmetric


class _PositiveDefinite(_Symmetric):
    def check(self, value):
        from ..linalg import cholesky_ex

        symmetric = super().check(value)
        return symmetric & (cholesky_ex(value)[1] == 0) if bool(symmetric.all()) else symmetric


class stack(Constraint):
    """One constraint for each slice along dim."""

    def __init__(self, cseq, dim=0):
        self.cseq, self.dim = list(cseq), dim

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))
    event_dim = property(lambda self: max(c.event_dim for c in self.cseq))

    def check(self, value):
        checks = [c.check(part) for c, part in zip(self.cseq, value.unbind(self.dim))]
        return _C._homes["taper"]["stack"](checks, self.dim)


class cat(Constraint):
    """One constraint for each of the parts, of these lengths, along dim."""

    def __init__(self, cseq, dim=0, lengths=None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))
    event_dim = property(lambda self: max(c.event_dim for c in self.cseq))

    def check(self, value):
        parts = value.split(self.lengths, self.dim)
        return _C._homes["taper"]["cat"]([c.check(part) for c, part in zip(self.cseq, parts)], self.dim)


class dependent_property(property):
    """A property of a distribution that is a constraint made from its parameters."""

    def __init__(self, fn=None, *, is_discrete=None, event_dim=None):
        super().__init__(fn)

    def __call__(self, fn):
        return dependent_property(fn)


def is_dependent(constraint):
    """Whether a constraint depends on other parameters."""
    return isinstance(constraint, _Dependent)


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
dependent = _Dependent()
lower_triangular, lower_cholesky, corr_cholesky = _LowerTriangular(), _LowerCholesky(), _CorrCholesky()
square, symmetric = _Square(), _Symmetric()
positive_definite, positive_semidefinite = _PositiveDefinite(), _PositiveSemidefinite()
