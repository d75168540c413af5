// Matrix products with something done on the way out (or in), by cuBLASLt.
#pragma once

#include <cublasLt.h>

#include <cstdint>

namespace taper::cuda {

/// D = alpha op(A) op(B), column-major, all of one type, with an epilogue. op(A) [m, k], op(B) [k, n],
/// D [m, n]. Of epilogues:
///   BIAS, RELU_BIAS, GELU_BIAS  vector [m] is added to each column, then the activation; gelu with tanh
///   BGRADB                      vector [n] becomes the sums of op(B) over k
struct EpilogueProduct {
  cudaDataType_t type, scale_type;  ///< of the matrices and the vector, and of alpha
  cublasComputeType_t compute;
  cublasOperation_t op_a, op_b;
  std::int64_t m, n, k, lda, ldb, ldd;
  bool exact_parts;  ///< sums of parts of the product stay in the type it is computed in
  cublasLtEpilogue_t epilogue;
  const void *alpha, *a, *b, *vector;
  void* d;
};

/// On the current stream. False, with nothing done, where cuBLASLt has no algorithm for it.
bool run_with_epilogue(const EpilogueProduct& product);

}  // namespace taper::cuda
