// Matrix products.
#pragma once

#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// Matrix product over the last two dimensions, the others broadcast; 1-d operands are row and column
/// vectors. Throws ShapeError when inner dimensions differ, DTypeError when dtypes differ.
Tensor matmul(const Tensor& a, const Tensor& b);
/// [m, k] @ [k, n].
Tensor mm(const Tensor& a, const Tensor& b);
/// [batch, m, k] @ [batch, k, n].
Tensor bmm(const Tensor& a, const Tensor& b);
/// [m, k] @ [k].
Tensor mv(const Tensor& a, const Tensor& b);
/// Sum of products of two vectors.
Tensor dot(const Tensor& a, const Tensor& b);
/// Products of all pairs of two vectors.
Tensor outer(const Tensor& a, const Tensor& b);
/// beta * x + alpha * (a @ b).
Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta = 1,
             const Scalar& alpha = 1);
Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta = 1,
               const Scalar& alpha = 1);
Tensor addmv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& beta = 1,
             const Scalar& alpha = 1);
/// x [..., in] @ weight [out, in]^T + bias [out]; bias may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace taper
