// Matrix products with a bias added on the way out, by cuBLASLt.
#pragma once

#include <cublas_v2.h>

#include <cstdint>

namespace taper::cuda {

/// D = alpha op(A) op(B) + bias, column-major, all of one type. op(A) [m, k], op(B) [k, n], D [m, n]; bias
/// [m] is the same for each column.
struct BiasedProduct {
  cudaDataType_t type, scale_type;  ///< of the matrices, and of alpha
  cublasComputeType_t compute;
  cublasOperation_t op_a, op_b;
  std::int64_t m, n, k, lda, ldb, ldd;
  bool exact_parts;  ///< sums of parts of the product stay in the type it is computed in
  const void *alpha, *a, *b, *bias;
  void* d;
};

/// On the current stream. False, with nothing done, where cuBLASLt has no algorithm for it.
bool run_biased(const BiasedProduct& product);

}  // namespace taper::cuda
