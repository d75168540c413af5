// Derivatives of digamma and the zeta function they are made of.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// Hurwitz's zeta function, the sum of (q + k)^-s over k >= 0; differentiable in q only. Integers give the
/// default floating type. Throws ValueError for two numbers.
Tensor zeta(const Tensor& s, const Tensor& q);
/// The n-th derivative of digamma. Throws ValueError for negative n.
Tensor polygamma(std::int64_t n, const Tensor& x);

}  // namespace taper
