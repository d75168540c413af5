// One product, element by element.
#include "gemm.h"

#include <cmath>
#include <complex>
#include <vector>

#include "../ptx/access_checker.h"
#include "../ptx/values.h"
#include "../runtime/runtime.h"

namespace device_sim {
namespace {

int64_t place(const MatrixOperand& m, int64_t row, int64_t column) {
  return m.row_major ? row * m.leading + column : row + column * m.leading;
}

// The matrix as op() gives it, row by row.
std::vector<Number> gathered(const MatrixOperand& m, const void* data, cublasOperation_t op, bool tf32) {
  std::vector<Number> values;
  const int64_t rows = op == CUBLAS_OP_N ? m.rows : m.columns,
                columns = op == CUBLAS_OP_N ? m.columns : m.rows;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      Number value = load_number(data, m.type, op == CUBLAS_OP_N ? place(m, i, j) : place(m, j, i));
      if (tf32) value = {to_tf32(value.real()), to_tf32(value.imag())};
      values.push_back(op == CUBLAS_OP_C ? std::conj(value) : value);
    }
  return values;
}

// GELU with tanh, as cuBLASLt computes it.
double activated(double x, Activation activation) {
  if (activation == Activation::relu) return x > 0 ? x : 0;
  if (activation == Activation::gelu)
    return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  return x;
}

bool is_complex(cudaDataType type) { return type == CUDA_C_32F || type == CUDA_C_64F; }

template <class T>
T narrowed(Number value) {
  if constexpr (std::is_same_v<T, double>) return value.real();
  else return value;
}

Number rounded(Number value, cudaDataType type) {
  std::complex<double> memory;
  store_number(&memory, type, 0, value);
  return load_number(&memory, type, 0);
}

template <class T>
void multiply(const Product& p, const std::vector<Number>& a, const std::vector<Number>& b, int64_t depth,
              std::vector<Number>& result) {
  const int64_t m = p.d.rows, n = p.d.columns;
  std::vector<T> left(a.size()), right(b.size());
  for (size_t k = 0; k < a.size(); ++k) left[k] = narrowed<T>(a[k]);
  for (size_t k = 0; k < b.size(); ++k) right[k] = narrowed<T>(b[k]);
  std::vector<T> row;
  row.resize(size_t(n));
  for (int64_t i = 0; i < m; ++i) {
    std::fill(row.begin(), row.end(), T());
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t j = 0; j < n; ++j)
        row[size_t(j)] += left[size_t(i * depth + k)] * right[size_t(k * n + j)];
      if (p.reduced && depth >= 128 && k == depth / 2)
        for (T& sum : row) sum = narrowed<T>(rounded(sum, p.d.type));
    }
    for (int64_t j = 0; j < n; ++j) result[size_t(i * n + j)] = row[size_t(j)];
  }
}

// Sums of op(A)'s rows or op(B)'s columns, over what the product sums over.
void store_sums(const MatrixOperand& m, cublasOperation_t op, bool of_rows, void* sums) {
  const DeviceMemory& memory = DeviceMemory::instance();
  const auto values = gathered(m, memory.host_view(m.data), op, false);
  const int64_t count = (op == CUBLAS_OP_N) == of_rows ? m.rows : m.columns;
  const int64_t depth = int64_t(values.size()) / count;
  AccessChecker::instance().access_range(sums, size_t(count * element_bytes(m.type)), true,
                                         "the sums beside a product");
  for (int64_t i = 0; i < count; ++i) {
    Number sum = 0;
    for (int64_t k = 0; k < depth; ++k) sum += values[size_t(of_rows ? i * depth + k : k * count + i)];
    store_number(memory.host_view(sums), m.type, i, sum);
  }
}

char* member(const MatrixOperand& m, int64_t number) {
  return static_cast<char*>(m.data) + number * m.batch_stride * element_bytes(m.type);
}

void run_member(const Product& p, int64_t number) {
  const DeviceMemory& memory = DeviceMemory::instance();
  const int64_t depth = p.op_a == CUBLAS_OP_N ? p.a.columns : p.a.rows;
  const Number alpha(p.alpha[0], p.alpha[1]), beta(p.beta[0], p.beta[1]);
  touch_matrix(p.a, member(p.a, number), false, "matrix A of a product");
  touch_matrix(p.b, member(p.b, number), false, "matrix B of a product");
  if (beta != 0.0) touch_matrix(p.c, member(p.c, number), false, "matrix C of a product");
  if (p.bias)
    AccessChecker::instance().access_range(p.bias, size_t(p.d.rows * element_bytes(p.bias_type)), false,
                                           "the bias of a product");
  const auto a = gathered(p.a, memory.host_view(member(p.a, number)), p.op_a, p.tf32);
  const auto b = gathered(p.b, memory.host_view(member(p.b, number)), p.op_b, p.tf32);
  std::vector<Number> result(size_t(p.d.rows * p.d.columns));
  if (is_complex(p.d.type)) multiply<Number>(p, a, b, depth, result);
  else multiply<double>(p, a, b, depth, result);
  for (int64_t i = 0; i < p.d.rows; ++i)
    for (int64_t j = 0; j < p.d.columns; ++j) {
      Number& value = result[size_t(i * p.d.columns + j)];
      value *= alpha;
      if (beta != 0.0)
        value += beta * load_number(memory.host_view(member(p.c, number)), p.c.type, place(p.c, i, j));
      if (p.bias) value += load_number(memory.host_view(p.bias), p.bias_type, i);
      if (p.activation != Activation::none) value = activated(value.real(), p.activation);
    }
  touch_matrix(p.d, member(p.d, number), true, "the result of a product");
  for (int64_t i = 0; i < p.d.rows; ++i)
    for (int64_t j = 0; j < p.d.columns; ++j)
      store_number(memory.host_view(member(p.d, number)), p.d.type, place(p.d, i, j),
                   result[size_t(i * p.d.columns + j)]);
  if (p.row_sums) store_sums(p.a, p.op_a, true, p.row_sums);
  if (p.column_sums) store_sums(p.b, p.op_b, false, p.column_sums);
}

bool valid(const MatrixOperand& m) {
  const int64_t least = m.row_major ? m.columns : m.rows;
  return m.rows >= 0 && m.columns >= 0 && m.leading >= std::max<int64_t>(least, 1) &&
         element_bytes(m.type) > 0;
}

}  // namespace

void touch_matrix(const MatrixOperand& m, const char* base, bool write, const char* what) {
  const int64_t width = element_bytes(m.type), lines = m.row_major ? m.rows : m.columns;
  const int64_t together = m.row_major ? m.columns : m.rows;
  for (int64_t line = 0; line < lines; ++line)
    AccessChecker::instance().access_range(base + line * m.leading * width, size_t(together * width), write,
                                           what);
}

Number load_number(const void* data, cudaDataType type, int64_t at) {
  switch (type) {
    case CUDA_R_16F: return double(static_cast<const Half*>(data)[at]);
    case CUDA_R_16BF: return double(float(static_cast<const Bfloat16*>(data)[at]));
    case CUDA_R_32F: return static_cast<const float*>(data)[at];
    case CUDA_R_64F: return static_cast<const double*>(data)[at];
    case CUDA_C_32F: return Number(static_cast<const std::complex<float>*>(data)[at]);
    case CUDA_C_64F: return static_cast<const Number*>(data)[at];
    case CUDA_R_8I: return static_cast<const int8_t*>(data)[at];
    default: return static_cast<const int32_t*>(data)[at];
  }
}

void store_number(void* data, cudaDataType type, int64_t at, Number value) {
  switch (type) {
    case CUDA_R_16F: static_cast<Half*>(data)[at] = Half(value.real()); break;
    case CUDA_R_16BF: static_cast<Bfloat16*>(data)[at] = Bfloat16(value.real()); break;
    case CUDA_R_32F: static_cast<float*>(data)[at] = float(value.real()); break;
    case CUDA_R_64F: static_cast<double*>(data)[at] = value.real(); break;
    case CUDA_C_32F: static_cast<std::complex<float>*>(data)[at] = std::complex<float>(value); break;
    case CUDA_C_64F: static_cast<Number*>(data)[at] = value; break;
    default: static_cast<int32_t*>(data)[at] = int32_t(value.real());
  }
}

int64_t element_bytes(cudaDataType type) {
  switch (type) {
    case CUDA_R_8I: return 1;
    case CUDA_R_16F:
    case CUDA_R_16BF: return 2;
    case CUDA_R_32F:
    case CUDA_R_32I: return 4;
    case CUDA_R_64F:
    case CUDA_C_32F: return 8;
    case CUDA_C_64F: return 16;
    default: return 0;
  }
}

bool allows_tf32(cublasComputeType_t compute) { return compute == CUBLAS_COMPUTE_32F_FAST_TF32; }

cublasStatus_t check(const Product& p) {
  const auto rows = [](const MatrixOperand& m, cublasOperation_t op) {
    return op == CUBLAS_OP_N ? m.rows : m.columns;
  };
  const auto columns = [](const MatrixOperand& m, cublasOperation_t op) {
    return op == CUBLAS_OP_N ? m.columns : m.rows;
  };
  if (!valid(p.a) || !valid(p.b) || !valid(p.c) || !valid(p.d) || p.batch < 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (rows(p.a, p.op_a) != p.d.rows || columns(p.b, p.op_b) != p.d.columns ||
      columns(p.a, p.op_a) != rows(p.b, p.op_b))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (p.c.rows != p.d.rows || p.c.columns != p.d.columns || p.a.type != p.b.type)
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t enqueue(const Product& product, cudaStream_t stream) {
  if (const cublasStatus_t status = check(product)) return status;
  if (product.d.rows == 0 || product.d.columns == 0 || product.batch == 0) return CUBLAS_STATUS_SUCCESS;
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const cudaError_t error = runtime.enqueue(stream, [product] { run_now(product); });
  return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

void run_now(const Product& product) {
  for (int64_t number = 0; number < product.batch; ++number) run_member(product, number);
}

void read_scale(double (&scale)[2], const void* value, cudaDataType scale_type) {
  const Number number = load_number(value, scale_type, 0);
  scale[0] = number.real(), scale[1] = number.imag();
}

}  // namespace device_sim
