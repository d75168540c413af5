// Matrix products on raw memory, of every dtype, alone and in batches.
#pragma once

#include <cstdint>

#include "taper/dtype.h"
#include "taper/scalar.h"

namespace taper::cpu {

/// C = alpha op(A) op(B) + beta C (+ bias, the same for every row), all row-major and of one dtype.
///
///   op(A) [m, k]   a is stored [m, k] with rows lda elements apart; with trans_a, [k, m]
///   op(B) [k, n]   b is stored [k, n] with rows ldb elements apart; with trans_b, [n, k]
///   C     [m, n]   rows ldc elements apart; not read if beta is 0; may overlap neither A nor B
///   bias  [n]      contiguous, or null
///
/// k == 0 or alpha == 0 gives beta C + bias. float16 and bfloat16 are accumulated in float32 and rounded
/// once; float32 sums longer than 4096 are accumulated in float64 every 4096; integers wrap around; bool is
/// "or" of "and". The order of a sum depends on the arguments and the instruction set only, so results are
/// bit-identical for any number of threads. Throws ValueError on negative sizes and on rows that overlap.
void gemm(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const Scalar& alpha, const void* a, std::int64_t lda, const void* b, std::int64_t ldb,
          const Scalar& beta, void* c, std::int64_t ldc, const void* bias = nullptr);

/// gemm for `batch` products whose operands lie stride_a, stride_b, stride_c elements apart; 0 means the same
/// operand for all. Throws ValueError if stride_c is 0 for more than one product.
void gemm_batched(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                  const Scalar& alpha, const void* a, std::int64_t lda, std::int64_t stride_a, const void* b,
                  std::int64_t ldb, std::int64_t stride_b, const Scalar& beta, void* c, std::int64_t ldc,
                  std::int64_t stride_c, std::int64_t batch, const void* bias = nullptr);

/// gelu is the exact one here; devices may take its approximation with tanh.
enum class Activation : std::uint8_t { relu, gelu };

/// C = activation(op(A) op(B) + bias), C without gaps; otherwise as gemm. Real floating dtypes.
void gemm_activated(DType dtype, Activation activation, bool trans_a, bool trans_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, const void* a, std::int64_t lda, const void* b,
                    std::int64_t ldb, const void* bias, void* c);

/// C = op(A) op(B), without gaps, and sums [m] of the rows of op(A); otherwise as gemm. For the gradients of
/// a linear layer's weight and bias.
void gemm_with_sums(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                    const void* a, std::int64_t lda, const void* b, std::int64_t ldb, void* c, void* sums);

}  // namespace taper::cpu
