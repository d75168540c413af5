// Matrix products by cuBLAS, those with an epilogue by cuBLASLt. What is called of the former: cublasGemmEx
// cublasGemmStridedBatchedEx cublasSetMathMode.
#include "cuda/matmul.h"

#include <algorithm>
#include <complex>
#include <new>

#include "cpu/unary.h"
#include "cuda/cublas.h"
#include "cuda/cublaslt.h"
#include "cuda/elementwise.h"
#include "cuda/integer_product.h"
#include "cuda/reduce.h"
#include "taper/backends.h"
#include "taper/error.h"

namespace taper::cuda {

namespace {

/// How a dtype is stored and accumulated, and the factors in the latter type.
struct Types {
  cudaDataType_t data, scale;
  cublasComputeType_t compute;
  alignas(16) unsigned char alpha[16];
  alignas(16) unsigned char beta[16];

  Types(DType dtype, const Scalar& a, const Scalar& b) {
    switch (dtype) {
      case float16: set<float>(CUDA_R_16F, CUBLAS_COMPUTE_32F, a, b); break;
      case bfloat16: set<float>(CUDA_R_16BF, CUBLAS_COMPUTE_32F, a, b); break;
      case float32: set<float>(CUDA_R_32F, float32_compute(), a, b); break;
      case float64: set<double>(CUDA_R_64F, CUBLAS_COMPUTE_64F, a, b); break;
      case complex64: set<std::complex<float>>(CUDA_C_32F, float32_compute(), a, b); break;
      case complex128: set<std::complex<double>>(CUDA_C_64F, CUBLAS_COMPUTE_64F, a, b); break;
      default: fail<DTypeError>("matmul: ", dtype, " has no product in cuBLAS");
    }
  }

 private:
  static cublasComputeType_t float32_compute() {
    return backends().float32_matmul_precision == Float32Precision::highest ? CUBLAS_COMPUTE_32F
                                                                            : CUBLAS_COMPUTE_32F_FAST_TF32;
  }
  template <class T>
  void set(cudaDataType_t stored, cublasComputeType_t accumulated, const Scalar& a, const Scalar& b) {
    data = stored;
    scale = stored == CUDA_R_16F || stored == CUDA_R_16BF ? CUDA_R_32F : stored;
    compute = accumulated;
    new (alpha) T(a.to<T>());
    new (beta) T(b.to<T>());
  }
};

/// Whether sums of parts of a 16-bit product must be kept in float32.
bool has_exact_parts(DType dtype) {
  return (dtype == float16 && !backends().allow_fp16_reduced_precision_reduction) ||
         (dtype == bfloat16 && !backends().allow_bf16_reduced_precision_reduction);
}

cublasOperation_t transposed(bool is) { return is ? CUBLAS_OP_T : CUBLAS_OP_N; }

int narrow(std::int64_t value) { return narrow_size(value, "matmul"); }

// C [batch, m, n] becomes the row of biases in each of its rows.
void set_rows(DType dtype, const void* bias, void* c, std::int64_t m, std::int64_t n, std::int64_t ldc,
              std::int64_t stride_c, std::int64_t batch) {
  const Shape sizes{batch, m, n}, from{0, 0, 1}, to{stride_c, ldc, 1};
  copy(sizes, {const_cast<void*>(bias), dtype, from.data()}, {c, dtype, to.data()});
}

// By cuBLASLt, where it takes it. Row-major as gemm: the vector has an entry for each column of C or, of
// BGRADB, for each row of op(A).
bool with_epilogue(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                   const Scalar& alpha, const void* a, std::int64_t lda, const void* b, std::int64_t ldb,
                   void* c, std::int64_t ldc, cublasLtEpilogue_t epilogue, const void* vector) {
  if (std::min({m, n, k}) == 0 || std::max({m, n, k, lda, ldb, ldc}) > INT32_MAX || !is_floating_point(dtype))
    return false;
  const Types types(dtype, alpha, 0);
  return run_with_epilogue({types.data, types.scale, types.compute, transposed(trans_b), transposed(trans_a),
                            n, m, k, ldb, lda, ldc, has_exact_parts(dtype), epilogue, types.alpha, b, a,
                            vector, c});
}

}  // namespace

void gemm(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const Scalar& alpha, const void* a, std::int64_t lda, const void* b, std::int64_t ldb,
          const Scalar& beta, void* c, std::int64_t ldc, const void* bias) {
  gemm_batched(dtype, trans_a, trans_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1, bias);
}

// Row-major C = A B is column-major C^T = B^T A^T: operands and sizes change places.
void gemm_batched(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                  const Scalar& alpha, const void* a, std::int64_t lda, std::int64_t stride_a, const void* b,
                  std::int64_t ldb, std::int64_t stride_b, const Scalar& beta, void* c, std::int64_t ldc,
                  std::int64_t stride_c, std::int64_t batch, const void* bias) {
  if (m == 0 || n == 0 || batch == 0) return;
  check<ValueError>(!bias || beta.equals(0), "matmul: a bias is added to a fresh result only");
  if (bias && batch == 1 &&
      with_epilogue(dtype, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, c, ldc, CUBLASLT_EPILOGUE_BIAS,
                    bias))
    return;
  if (bias) set_rows(dtype, bias, c, m, n, ldc, stride_c, batch);
  const Scalar kept = bias ? Scalar(1) : beta;
  if (is_integral(dtype, true))
    return integer_product(dtype, trans_a, trans_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, kept,
                           c, ldc, stride_c, batch);
  const Types types(dtype, alpha, kept);
  if (k == 0) {
    check<ValueError>(bias || beta.equals(0), "matmul: an empty sum beside beta is not supported on CUDA");
    const Shape sizes{batch, m, n}, strides{stride_c, ldc, 1};
    if (!bias) fill(sizes, {c, dtype, strides.data()}, 0);
    return;
  }
  const cublasOperation_t first = transposed(trans_b), second = transposed(trans_a);
  const int columns = narrow(n), rows = narrow(m), inner = narrow(k);
  const int leading_a = narrow(lda), leading_b = narrow(ldb), leading_c = narrow(ldc);
  const cublasHandle_t handle = cublas_in_use();
  const int math =
      CUBLAS_DEFAULT_MATH | (has_exact_parts(dtype) ? CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION : 0);
  check_cublas(cublasSetMathMode(handle, cublasMath_t(math)), "matmul", "cublasSetMathMode");
  if (batch == 1)
    return check_cublas(cublasGemmEx(handle, first, second, columns, rows, inner, types.alpha, b, types.data,
                                     leading_b, a, types.data, leading_a, types.beta, c, types.data,
                                     leading_c, types.compute, CUBLAS_GEMM_DEFAULT),
                        "matmul", "cublasGemmEx");
  check_cublas(cublasGemmStridedBatchedEx(handle, first, second, columns, rows, inner, types.alpha, b,
                                          types.data, leading_b, stride_b, a, types.data, leading_a, stride_a,
                                          types.beta, c, types.data, leading_c, stride_c, narrow(batch),
                                          types.compute, CUBLAS_GEMM_DEFAULT),
               "matmul", "cublasGemmStridedBatchedEx");
}

void gemm_activated(DType dtype, cpu::Activation activation, bool trans_a, bool trans_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, const void* a, std::int64_t lda, const void* b,
                    std::int64_t ldb, const void* bias, void* c) {
  const bool relu = activation == cpu::Activation::relu;
  if (with_epilogue(dtype, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, c, n,
                    relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS, bias))
    return;
  gemm(dtype, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, n, bias);
  const std::int64_t dense = 1;
  const cpu::Operand result{c, dtype, &dense};
  map(relu ? cpu::kernels::relu : cpu::kernels::gelu_tanh, {m * n}, &result, 1, dtype, result, nullptr, 0);
}

void gemm_with_sums(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                    const void* a, std::int64_t lda, const void* b, std::int64_t ldb, void* c, void* sums) {
  if (with_epilogue(dtype, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, c, n, CUBLASLT_EPILOGUE_BGRADB,
                    sums))
    return;
  gemm(dtype, trans_a, trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, n, nullptr);
  sum({a, dtype, {k, m}, trans_a ? Shape{lda, 1} : Shape{1, lda}, 1, sums, dtype});
}

}  // namespace taper::cuda
