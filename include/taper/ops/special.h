// Special functions, element by element. Integers give the default floating type.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// Modified Bessel functions of the first kind; i0e and i1e times e^-|x|.
Tensor i0(const Tensor& x);
Tensor i0e(const Tensor& x);
Tensor i1(const Tensor& x);
Tensor i1e(const Tensor& x);
/// The normal distribution function, its logarithm and its inverse.
Tensor ndtr(const Tensor& x);
Tensor log_ndtr(const Tensor& x);
Tensor ndtri(const Tensor& x);
/// e^(x^2) erfc(x).
Tensor erfcx(const Tensor& x);
/// -x log x.
Tensor entr(const Tensor& x);
/// x log(1 + y); 0 for x = 0.
Tensor xlog1py(const Tensor& x, const Tensor& y);
/// The regularized lower incomplete gamma function; differentiable in x only.
Tensor igamma(const Tensor& a, const Tensor& x);
/// 1 - igamma(a, x).
Tensor igammac(const Tensor& a, const Tensor& x);
/// Hurwitz's zeta function, the sum of (q + k)^-s over k >= 0; differentiable in q only. Throws ValueError
/// for two numbers.
Tensor zeta(const Tensor& s, const Tensor& q);
/// The n-th derivative of digamma. Throws ValueError for negative n.
Tensor polygamma(std::int64_t n, const Tensor& x);
/// The logarithm of the gamma function of p dimensions.
Tensor mvlgamma(const Tensor& x, std::int64_t p);

}  // namespace taper
