// Matrices as the stand-ins of libraries see them, and the products of cuBLAS: plain loops in double, with
// every element that is touched checked.
#pragma once

#include <cublas_v2.h>

#include <complex>
#include <cstdint>

namespace device_sim {

struct MatrixOperand {
  void* data = nullptr;  // device address
  cudaDataType type = CUDA_R_32F;
  int64_t rows = 0, columns = 0;  // as stored, before op
  int64_t leading = 0;            // elements between columns (rows, where row_major)
  bool row_major = false;
  int64_t batch_stride = 0;
};

enum class Activation { none, relu, gelu };

/// D = activation(alpha op(A) op(B) + beta C + bias), for each member of the batch; all addresses on the
/// device.
struct Product {
  MatrixOperand a, b, c, d;
  cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
  double alpha[2] = {1, 0}, beta[2] = {0, 0};  // real and imaginary part
  int64_t batch = 1;
  const void* bias = nullptr;  // one number for each row of D
  cudaDataType bias_type = CUDA_R_32F;
  Activation activation = Activation::none;
  void* row_sums = nullptr;     // of op(A), a number for each row of D and of its type
  void* column_sums = nullptr;  // of op(B), a number for each column
  bool tf32 = false;            // factors lose all but 10 bits of their fractions
  bool reduced = false;         // long sums are those of two halves, each rounded to the type of D
};

/// Whether the library may take the tensor cores' TF32.
bool allows_tf32(cublasComputeType_t compute);

/// Bytes of one element; 0 for a type that the stand-in does not compute with.
int64_t element_bytes(cudaDataType type);

using Number = std::complex<double>;
/// Element `at` of host memory of that type.
Number load_number(const void* data, cudaDataType type, int64_t at);
void store_number(void* data, cudaDataType type, int64_t at, Number value);

/// The current operation reads or writes the matrix at base, called `what`: one column (or row, where that is
/// what lies together) after the other.
void touch_matrix(const MatrixOperand& matrix, const char* base, bool write, const char* what);

/// What the real library refuses: sizes that do not fit, leading dimensions that are too small, unknown
/// types.
cublasStatus_t check(const Product& product);

/// Puts the product into the stream.
cublasStatus_t enqueue(const Product& product, cudaStream_t stream);

/// Computes the product at once; for operations that run in a stream.
void run_now(const Product& product);

/// Reads alpha or beta of the type that goes with `compute` (or with complex data).
void read_scale(double (&scale)[2], const void* value, cudaDataType scale_type);

}  // namespace device_sim
