// Matrix products on a device: as in cpu/gemm.h, of floating and complex types.
#pragma once

#include "cpu/gemm.h"

namespace taper::cuda {

void gemm(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const Scalar& alpha, const void* a, std::int64_t lda, const void* b, std::int64_t ldb,
          const Scalar& beta, void* c, std::int64_t ldc, const void* bias);
void gemm_batched(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                  const Scalar& alpha, const void* a, std::int64_t lda, std::int64_t stride_a, const void* b,
                  std::int64_t ldb, std::int64_t stride_b, const Scalar& beta, void* c, std::int64_t ldc,
                  std::int64_t stride_c, std::int64_t batch, const void* bias);
/// gelu is the approximation with tanh, as cuBLASLt's.
void gemm_activated(DType dtype, cpu::Activation activation, bool trans_a, bool trans_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, const void* a, std::int64_t lda, const void* b,
                    std::int64_t ldb, const void* bias, void* c);
void gemm_with_sums(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                    const void* a, std::int64_t lda, const void* b, std::int64_t ldb, void* c, void* sums);

}  // namespace taper::cuda
