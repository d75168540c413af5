// Products of vectors and matrices beside matmul, and powers.
#pragma once

#include <tuple>

#include "taper/tensor.h"

namespace taper {

/// Sums of products over the last dimension of both: [..., k] and [___, k] give [..., ___].
Tensor inner(const Tensor& a, const Tensor& b);
/// The dot product of conj(a) and b.
Tensor vdot(const Tensor& a, const Tensor& b);
/// beta x + alpha a b^T.
Tensor addr(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta = 1,
            const Scalar& alpha = 1);
/// beta x + alpha times the sum of the products of a batch of matrices.
Tensor addbmm(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta = 1,
              const Scalar& alpha = 1);
/// a^b in float64 (complex128).
Tensor float_power(const Tensor& a, const Tensor& b);
/// x 2^exponent.
Tensor ldexp(const Tensor& x, const Tensor& exponent);
/// Mantissa in [0.5, 1) and int32 exponent with x = mantissa 2^exponent.
std::tuple<Tensor, Tensor> frexp(const Tensor& x);
/// Whether the imaginary part is 0; bool.
Tensor isreal(const Tensor& x);

}  // namespace taper
