"""Probability distributions: sampling, densities, entropies and divergences."""

from . import constraints
from .composed import Independent
from .continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfNormal,
    Kumaraswamy,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
    Weibull,
)
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical, OneHotCategoricalStraightThrough
from .distribution import Distribution
from .divergence import kl_divergence, register_kl

__all__ = [
    "Bernoulli",
    "Categorical",
    "Cauchy",
    "Distribution",
    "Exponential",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Kumaraswamy",
    "Laplace",
    "LogNormal",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Uniform",
    "Weibull",
    "constraints",
    "kl_divergence",
    "register_kl",
]
