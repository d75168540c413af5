// What the files of linear algebra share: checks, adjoints, errors from kernels.
#pragma once

#include "autograd/record.h"
#include "cpu/linalg.h"
#include "ops/elementwise.h"
#include "ops/registry.h"
#include "taper/ops.h"
#include "taper/ops/linalg.h"

namespace taper::linalg {

inline Tensor transposed(const Tensor& x) { return transpose(x, -2, -1); }
inline Tensor adjoint(const Tensor& x) { return conj(transpose(x, -2, -1)); }
inline std::int64_t rows_of(const Tensor& x) { return x.sizes()[x.ndim() - 2]; }
inline std::int64_t columns_of(const Tensor& x) { return x.sizes().back(); }
inline Shape batch_of(const Tensor& x, int dims = 2) { return Shape(x.sizes().data(), x.ndim() - dims); }
inline Tensor fresh(const Tensor& x) { return clone(x, "contiguous"); }

Shape with(Shape batch, std::initializer_list<std::int64_t> sizes);
/// At least two dimensions, of float32, float64, complex64 or complex128.
void check_matrix(const Tensor& a, const char* op);
void check_square(const Tensor& a, const char* op);
void check_same_dtype(const Tensor& a, const Tensor& b, const char* op);
/// Throws LinAlgError for the first entry of info that is not 0; `what` follows the entry's number.
void check_info(const Tensor& info, const char* op, const char* before, const char* after);
/// diag embedded, or added to the diagonal where dtypes agree.
inline Tensor embedded(const Tensor& x) { return diag_embed(x); }
inline Tensor identity(const Tensor& like) {
  return eye(columns_of(like), columns_of(like), like.dtype(), like.device());
}

}  // namespace taper::linalg
