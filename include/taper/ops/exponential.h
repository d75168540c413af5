// Exponentials, logarithms, powers and roots, element by element. Integers give the default floating type.
#pragma once

#include "taper/tensor.h"

namespace taper {

Tensor exp(const Tensor& x);
Tensor exp2(const Tensor& x);
/// exp(x) - 1, exact near 0.
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
/// log(1 + x), exact near 0.
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x).
Tensor rsqrt(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor square(const Tensor& x);
/// a to the power b. Integers wrap; a negative integer exponent throws ValueError.
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, const Scalar& b);
Tensor pow(const Scalar& a, const Tensor& b);
/// log(exp(a) + exp(b)) without overflow.
Tensor logaddexp(const Tensor& a, const Tensor& b);
/// The same to base 2.
Tensor logaddexp2(const Tensor& a, const Tensor& b);
/// x log(y), 0 where x is 0 (NaN where y is).
Tensor xlogy(const Tensor& x, const Tensor& y);

}  // namespace taper
