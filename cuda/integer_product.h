// Matrix products of integers and bool, which cuBLAS does not have.
#pragma once

#include "taper/dtype.h"
#include "taper/scalar.h"

namespace taper::cuda {

/// As cpu::gemm_batched: integers wrap around, of bool the sum is or.
void integer_product(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                     const Scalar& alpha, const void* a, std::int64_t lda, std::int64_t stride_a,
                     const void* b, std::int64_t ldb, std::int64_t stride_b, const Scalar& beta, void* c,
                     std::int64_t ldc, std::int64_t stride_c, std::int64_t batch);

}  // namespace taper::cuda
