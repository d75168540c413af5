"""Probability distributions: sampling, densities, entropies and divergences."""

import sys as _sys
import types as _types

from . import constraints, kl, transforms
from .composed import Independent
from .constraint_registry import biject_to, transform_to
from .continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Kumaraswamy,
    Laplace,
    LogNormal,
    Normal,
    Pareto,
    Uniform,
    VonMises,
    Weibull,
)
from .continuous_bernoulli import ContinuousBernoulli
from .counts import Binomial, Multinomial, NegativeBinomial, Poisson
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical, OneHotCategoricalStraightThrough
from .distribution import Distribution, ExponentialFamily
from .gamma import Beta, Chi2, Dirichlet, FisherSnedecor, Gamma, InverseGamma, StudentT
from .generalized_pareto import GeneralizedPareto
from .kl import kl_divergence, register_kl
from .low_rank import LowRankMultivariateNormal
from .matrices import LKJCholesky, Wishart
from .mixture import LogisticNormal, MixtureSameFamily
from .multivariate import MultivariateNormal
from .relaxed import LogitRelaxedBernoulli, RelaxedBernoulli, RelaxedOneHotCategorical
from .transformed import TransformedDistribution
from .transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LogitRelaxedBernoulli",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "constraints",
    "identity_transform",
    "kl",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "transforms",
]

# Programs written for PyTorch import from its modules, which hold a distribution each.
for (
    _name
) in """bernoulli:Bernoulli beta:Beta binomial:Binomial categorical:Categorical cauchy:Cauchy chi2:Chi2
    dirichlet:Dirichlet exp_family:ExponentialFamily exponential:Exponential fishersnedecor:FisherSnedecor
    geometric:Geometric gumbel:Gumbel half_cauchy:HalfCauchy half_normal:HalfNormal independent:Independent
    inverse_gamma:InverseGamma kumaraswamy:Kumaraswamy laplace:Laplace lkj_cholesky:LKJCholesky
    log_normal:LogNormal logistic_normal:LogisticNormal
    lowrank_multivariate_normal:LowRankMultivariateNormal mixture_same_family:MixtureSameFamily
    multinomial:Multinomial multivariate_normal:MultivariateNormal negative_binomial:NegativeBinomial
    normal:Normal one_hot_categorical:OneHotCategorical,OneHotCategoricalStraightThrough pareto:Pareto
    poisson:Poisson relaxed_bernoulli:RelaxedBernoulli,LogitRelaxedBernoulli
    relaxed_categorical:RelaxedOneHotCategorical studentT:StudentT
    transformed_distribution:TransformedDistribution uniform:Uniform von_mises:VonMises weibull:Weibull
    wishart:Wishart""".split():
    _module, _, _classes = _name.partition(":")
    _alias = _types.ModuleType(f"{__name__}.{_module}", f"{_classes}, where PyTorch has it.")
    for _class in _classes.split(","):
        setattr(_alias, _class, globals()[_class])
    globals()[_module] = _sys.modules[_alias.__name__] = _alias
