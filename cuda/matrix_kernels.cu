// Kernels beside the libraries' factorizations.
#include "cuda/matrix_kernels.h"

#include "cuda/device.cuh"
#include "cuda/elementwise.h"

namespace taper::cuda {

namespace kernels {

template <class Number>
__global__ void __launch_bounds__(block_threads)
    keep_triangle(Number* a, int64_t total, int64_t rows, int64_t columns, bool upper) {
  for (int64_t i = thread_number(); i < total; i += thread_count()) {
    const int64_t row = i / columns % rows, column = i % columns;
    if (upper ? column < row : column > row) a[i] = Number();
  }
}

template <class Number>
__global__ void __launch_bounds__(block_threads)
    set_identity(Number* a, int64_t total, int64_t rows, int64_t columns) {
  for (int64_t i = thread_number(); i < total; i += thread_count())
    a[i] = Number(i / columns % rows == i % columns ? 1 : 0);
}

// Numbers of `parts` real ones. A warp a matrix: its lanes look at 32 places at a time.
template <class Real>
__global__ void __launch_bounds__(block_threads)
    check_positive_diagonal(const Real* a, int64_t batch, int64_t n, int parts, std::int32_t* info) {
  const int lane = threadIdx.x % 32;
  for (int64_t k = thread_number() / 32; k < batch; k += thread_count() / 32) {
    const bool failed = __shfl_sync(0xffffffffu, lane == 0 ? info[k] : 0, 0) != 0;
    for (int64_t first = 0; first < n && !failed; first += 32) {
      const int64_t i = first + lane;
      const bool bad = i < n && !(a[(k * n * n + i * (n + 1)) * parts] > Real(0));
      const unsigned found = __ballot_sync(0xffffffffu, bad);
      if (found == 0) continue;
      if (lane == 0) info[k] = std::int32_t(first + __ffs(int(found)));
      break;
    }
  }
}

// The sizes are counted in real numbers: `columns` has both parts of complex ones.
template <class Real>
__global__ void __launch_bounds__(block_threads)
    mark_not_finite(const Real* a, int64_t total, int64_t rows, int64_t columns, int parts, Part part,
                    std::int32_t* info, std::int32_t value) {
  for (int64_t i = thread_number(); i < total; i += thread_count()) {
    const int64_t row = i / columns % rows, column = i % columns / parts;
    if ((part == Part::lower && column > row) || (part == Part::upper && column < row)) continue;
    if (!isfinite(a[i])) atomicMax(info + i / (rows * columns), value);
  }
}

// A thread a column.
template <class Number>
__global__ void __launch_bounds__(block_threads)
    exchange_rows(Number* b, const std::int32_t* pivots, int64_t batch, int64_t n, int64_t columns) {
  for (int64_t i = thread_number(); i < batch * columns; i += thread_count()) {
    const int64_t k = i / columns;
    Number* const column = b + k * n * columns + i % columns;
    for (int64_t row = 0; row < n; ++row) {
      const int64_t other = pivots[k * n + row] - 1;
      if (other == row) continue;
      const Number held = column[row * columns];
      column[row * columns] = column[other * columns];
      column[other * columns] = held;
    }
  }
}

__global__ void __launch_bounds__(block_threads)
    list_addresses(void** list, char* data, int64_t step_bytes, int64_t batch) {
  for (int64_t k = thread_number(); k < batch; k += thread_count()) list[k] = data + k * step_bytes;
}

}  // namespace kernels

namespace {

template <class F>
void visit_number(DType dtype, F&& f) {
  switch (dtype) {
    case float32: return f.template operator()<float>();
    case float64: return f.template operator()<double>();
    case complex64: return f.template operator()<Complex64>();
    default: f.template operator()<Complex>();
  }
}

bool is_single(DType dtype) { return dtype == float32 || dtype == complex64; }

void rearrange(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, const void* from,
               const Shape& from_strides, void* to, const Shape& to_strides) {
  copy(Shape{batch, rows, columns}, {const_cast<void*>(from), dtype, from_strides.data()},
       {to, dtype, to_strides.data()});
}

}  // namespace

void clear_info(std::int32_t* info, std::int64_t batch) {
  if (batch > 0) runtime().set_zero(runtime().device_in_use(), info, batch * 4);
}

void to_column_major(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                     const void* from, std::int64_t from_step, void* to, std::int64_t to_step) {
  rearrange(dtype, batch, rows, columns, from, {from_step, columns, 1}, to, {to_step, 1, rows});
}

void to_row_major(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, const void* from,
                  std::int64_t from_step, std::int64_t leading, void* to, std::int64_t to_step) {
  rearrange(dtype, batch, rows, columns, from, {from_step, 1, leading}, to, {to_step, columns, 1});
}

void keep_triangle(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, void* a,
                   bool upper) {
  const int64_t total = batch * rows * columns;
  visit_number(dtype, [&]<class Number>() {
    kernels::keep_triangle<<<blocks_for(total), block_threads, 0, runtime().stream_in_use()>>>(
        static_cast<Number*>(a), total, rows, columns, upper);
  });
  check_launch("linalg");
}

void set_identity(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, void* a) {
  const int64_t total = batch * rows * columns;
  visit_number(dtype, [&]<class Number>() {
    kernels::set_identity<<<blocks_for(total), block_threads, 0, runtime().stream_in_use()>>>(
        static_cast<Number*>(a), total, rows, columns);
  });
  check_launch("linalg");
}

void check_positive_diagonal(DType dtype, std::int64_t batch, std::int64_t n, const void* a,
                             std::int32_t* info) {
  const int parts = is_complex(dtype) ? 2 : 1, blocks = blocks_for(batch, block_threads / 32);
  const cudaStream_t stream = runtime().stream_in_use();
  if (is_single(dtype))
    kernels::check_positive_diagonal<<<blocks, block_threads, 0, stream>>>(static_cast<const float*>(a),
                                                                           batch, n, parts, info);
  else
    kernels::check_positive_diagonal<<<blocks, block_threads, 0, stream>>>(static_cast<const double*>(a),
                                                                           batch, n, parts, info);
  check_launch("linalg");
}

void mark_not_finite(DType dtype, std::int64_t batch, std::int64_t rows, std::int64_t columns, const void* a,
                     Part part, std::int32_t* info, std::int32_t value) {
  const int parts = is_complex(dtype) ? 2 : 1;
  const int64_t total = batch * rows * columns * parts;
  const cudaStream_t stream = runtime().stream_in_use();
  if (is_single(dtype))
    kernels::mark_not_finite<<<blocks_for(total), block_threads, 0, stream>>>(
        static_cast<const float*>(a), total, rows, columns * parts, parts, part, info, value);
  else
    kernels::mark_not_finite<<<blocks_for(total), block_threads, 0, stream>>>(
        static_cast<const double*>(a), total, rows, columns * parts, parts, part, info, value);
  check_launch("linalg");
}

void exchange_rows(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns,
                   const std::int32_t* pivots, void* b) {
  visit_number(dtype, [&]<class Number>() {
    kernels::exchange_rows<<<blocks_for(batch * columns), block_threads, 0, runtime().stream_in_use()>>>(
        static_cast<Number*>(b), pivots, batch, n, columns);
  });
  check_launch("linalg");
}

void list_addresses(void** list, const void* data, std::int64_t step_bytes, std::int64_t batch) {
  kernels::list_addresses<<<blocks_for(batch), block_threads, 0, runtime().stream_in_use()>>>(
      list, static_cast<char*>(const_cast<void*>(data)), step_bytes, batch);
  check_launch("linalg");
}

}  // namespace taper::cuda
