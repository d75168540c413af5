// Layer and RMS norm: a block for each row. Statistics are sums of values less the first of the row, so that
// a mean far from 0 costs no accuracy.
#include "cuda/norm.h"

#include "cuda/cudnn_norm.h"
#include "cuda/norm.cuh"

namespace taper::cuda {

namespace kernels {

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    row_norm(const cpu::RowNorm norm, const void* x, const void* weight, const void* bias, void* y,
             double* mean, double* rstd) {
  __shared__ Sums shared[block_threads];
  const int64_t start = int64_t(blockIdx.x) * norm.size;
  const T origin = norm.centered ? element<T>(x, norm.dtype, start) : T(0);
  Sums sums =
      sum_terms<T>(int64_t(threadIdx.x), norm.size, block_threads, [&](int64_t i, T& first, T& second) {
        const T value = element<T>(x, norm.dtype, start + i) - origin;
        first += value, second += value * value;
      });
  sums = combine_block(sums, shared, 1, PlusSums());
  const double shift = norm.centered ? sums.first / double(norm.size) : 0;
  const double variance = fmax(0., sums.second / double(norm.size) - shift * shift);
  const double scale = 1 / sqrt(variance + norm.eps);
  if (threadIdx.x == 0) {
    if (mean) mean[blockIdx.x] = double(origin) + shift;
    if (rstd) rstd[blockIdx.x] = scale;
  }
  const T down = T(shift), factor = T(scale);
  for (int64_t i = threadIdx.x; i < norm.size; i += block_threads) {
    const T value = (element<T>(x, norm.dtype, start + i) - origin - down) * factor;
    put(y, norm.dtype, start + i,
        value * element_or<T>(weight, norm.parameter_dtype, i, 1) +
            element_or<T>(bias, norm.parameter_dtype, i, 0));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    row_norm_dx(const cpu::RowNorm norm, const void* x, const void* dy, const void* weight,
                const double* mean, const double* rstd, void* dx) {
  __shared__ Sums shared[block_threads];
  const int64_t start = int64_t(blockIdx.x) * norm.size;
  const InParts<T> center(mean ? mean[blockIdx.x] : 0);
  const T scale = T(rstd[blockIdx.x]);
  const auto normal = [&](int64_t i) { return center.from(element<T>(x, norm.dtype, start + i)) * scale; };
  const auto weighted = [&](int64_t i) {
    return element<T>(dy, norm.dtype, start + i) * element_or<T>(weight, norm.parameter_dtype, i, 1);
  };
  Sums sums =
      sum_terms<T>(int64_t(threadIdx.x), norm.size, block_threads, [&](int64_t i, T& first, T& second) {
        const T g = weighted(i);
        first += g, second += g * normal(i);
      });
  sums = combine_block(sums, shared, 1, PlusSums());
  const T average = norm.centered ? T(sums.first / double(norm.size)) : T(0),
          along = T(sums.second / double(norm.size));
  for (int64_t i = threadIdx.x; i < norm.size; i += block_threads)
    put(dx, norm.dtype, start + i, scale * (weighted(i) - average - normal(i) * along));
}

/// 32 columns and 8 rows at a time, so that rows are read in whole lines; of a slice of the rows.
template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    row_norm_parts(const cpu::RowNorm norm, int64_t slice_rows, const void* x, const void* dy,
                   const double* mean, const double* rstd, Sums* parts) {
  __shared__ Sums shared[block_threads];
  const int64_t tiles = (norm.size + 31) / 32, slice = blockIdx.x / tiles;
  const int64_t column = blockIdx.x % tiles * 32 + threadIdx.x % 32;
  const int64_t begin = slice * slice_rows,
                end = begin + slice_rows < norm.rows ? begin + slice_rows : norm.rows;
  Sums sums{0, 0};
  if (column < norm.size)
    sums = sum_terms<T>(begin + threadIdx.x / 32, end, block_threads / 32,
                        [&](int64_t row, T& first, T& second) {
                          const int64_t i = row * norm.size + column;
                          const InParts<T> center(mean ? mean[row] : 0);
                          const T g = element<T>(dy, norm.dtype, i);
                          first += g, second += g * center.from(element<T>(x, norm.dtype, i)) * T(rstd[row]);
                        });
  sums = combine_block(sums, shared, 32, PlusSums());
  if (threadIdx.x < 32 && column < norm.size) parts[slice * norm.size + column] = sums;
}

__global__ void __launch_bounds__(block_threads, 1)
    finish_parameters(const Sums* parts, int slices, int64_t count, DType dtype, void* dw, void* db) {
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const Sums sums = sum_parts(parts, slices, count, i);
    if (dw) put(dw, dtype, i, sums.second);
    if (db) put(db, dtype, i, sums.first);
  }
}

__global__ void __launch_bounds__(block_threads, 1)
    widen_statistics(int64_t count, double eps, const float* from_mean, const float* from_rstd, double* mean,
                     double* variance, double* rstd) {
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const double scale = from_rstd[i];
    if (rstd) rstd[i] = scale;
    if (from_mean && mean) mean[i] = from_mean[i];
    if (variance) variance[i] = fmax(0., 1 / (scale * scale) - eps);
  }
}

}  // namespace kernels

namespace {

void own_row_norm(const cpu::RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
                  double* mean, double* rstd) {
  if (norm.rows == 0 || norm.size == 0) return;
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
    kernels::row_norm<T><<<unsigned(norm.rows), block_threads, 0, runtime().stream_in_use()>>>(
        norm, x, weight, bias, y, mean, rstd);
  });
  check_launch("layer_norm");
}

void own_row_norm_backward(const cpu::RowNorm& norm, const void* x, const void* dy, const void* weight,
                           const double* mean, const double* rstd, void* dx, void* dw, void* db) {
  const cudaStream_t stream = runtime().stream_in_use();
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
    if (dx && norm.rows && norm.size)
      kernels::row_norm_dx<T>
          <<<unsigned(norm.rows), block_threads, 0, stream>>>(norm, x, dy, weight, mean, rstd, dx);
    if ((!dw && !db) || norm.size == 0) return;
    const int64_t tiles = (norm.size + 31) / 32;
    const int slices = norm_slices(tiles, norm.rows);
    const Scratch parts(slices * norm.size * int64_t(sizeof(kernels::Sums)));
    auto* sums = parts.data<kernels::Sums>();
    kernels::row_norm_parts<T><<<unsigned(tiles * slices), block_threads, 0, stream>>>(
        norm, (norm.rows + slices - 1) / slices, x, dy, mean, rstd, sums);
    kernels::finish_parameters<<<blocks_for(norm.size), block_threads, 0, stream>>>(
        sums, slices, norm.size, norm.parameter_dtype, dw, db);
  });
  check_launch("layer_norm_backward");
}

}  // namespace

void row_norm(const cpu::RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
              double* mean, double* rstd) {
  const auto own = [&] { own_row_norm(norm, x, weight, bias, y, mean, rstd); };
  if (!cudnn_row_norm(norm, x, weight, bias, y, mean, rstd, std::ref(own))) own();
}

void row_norm_backward(const cpu::RowNorm& norm, const void* x, const void* dy, const void* weight,
                       const double* mean, const double* rstd, void* dx, void* dw, void* db) {
  const auto own = [&] { own_row_norm_backward(norm, x, dy, weight, mean, rstd, dx, dw, db); };
  if (!cudnn_row_norm_backward(norm, x, dy, weight, mean, rstd, dx, dw, db, std::ref(own))) own();
}

void widen_statistics(int64_t count, double eps, const float* from_mean, const float* from_rstd, double* mean,
                      double* variance, double* rstd) {
  kernels::widen_statistics<<<blocks_for(count), block_threads, 0, runtime().stream_in_use()>>>(
      count, eps, from_mean, from_rstd, mean, variance, rstd);
  check_launch("norm");
}

}  // namespace taper::cuda
