// Matrix products of integers and bool: a thread for each element, neighbours along a row of the result.
#include "cuda/device.cuh"
#include "cuda/integer_product.h"

namespace taper::cuda {

namespace kernels {

/// A matrix of each batch: its steps from row to row, along a row, and from batch to batch.
struct Matrix {
  char* data;
  int64_t row, column, batch;

  __device__ char* at(int64_t b, int64_t i, int64_t j, int64_t item) const {
    return data + (b * batch + i * row + j * column) * item;
  }
};

/// The lower bits of sums and products do not depend on the sign: all integers are added up without one.
__global__ void __launch_bounds__(block_threads)
    integer_product(DType dtype, int64_t batches, int64_t m, int64_t n, int64_t k, uint64_t alpha,
                    const Matrix a, const Matrix b, uint64_t beta, const Matrix c) {
  const int64_t item = item_size(dtype), total = batches * m * n;
  const auto value = [dtype](const char* p) {
    return is_signed(dtype) ? uint64_t(load<int64_t>(p, dtype)) : load<uint64_t>(p, dtype);
  };
  for (int64_t place = thread_number(); place < total; place += thread_count()) {
    const int64_t j = place % n, i = place / n % m, at = place / n / m;
    uint64_t sum = 0;
    for (int64_t l = 0; l < k; ++l) sum += value(a.at(at, i, l, item)) * value(b.at(at, l, j, item));
    if (dtype == boolean) sum = sum != 0;
    char* const target = c.at(at, i, j, item);
    store(target, dtype, alpha * sum + (beta ? beta * value(target) : 0));
  }
}

}  // namespace kernels

void integer_product(DType dtype, bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                     const Scalar& alpha, const void* a, std::int64_t lda, std::int64_t stride_a,
                     const void* b, std::int64_t ldb, std::int64_t stride_b, const Scalar& beta, void* c,
                     std::int64_t ldc, std::int64_t stride_c, std::int64_t batch) {
  const auto matrix = [](const void* data, std::int64_t leading, std::int64_t stride, bool transposed) {
    return kernels::Matrix{static_cast<char*>(const_cast<void*>(data)), transposed ? 1 : leading,
                           transposed ? leading : 1, stride};
  };
  kernels::integer_product<<<blocks_for(batch * m * n), block_threads, 0, runtime().stream_in_use()>>>(
      dtype, batch, m, n, k, uint64_t(alpha.to<std::int64_t>()), matrix(a, lda, stride_a, trans_a),
      matrix(b, ldb, stride_b, trans_b), uint64_t(beta.to<std::int64_t>()), matrix(c, ldc, stride_c, false));
  check_launch("matmul");
}

}  // namespace taper::cuda
