// Layer, RMS and batch normalization: a block for each row or channel. Statistics are float64, from values
// less the first of the row, so that a mean far from 0 costs no accuracy.
#include "cuda/block.cuh"
#include "cuda/norm.h"

namespace taper::cuda {

namespace kernels {

__device__ __forceinline__ double element(const void* data, DType dtype, int64_t i) {
  return load<double>(static_cast<const char*>(data) + i * item_size(dtype), dtype);
}
__device__ __forceinline__ double element_or(const void* data, DType dtype, int64_t i, double otherwise) {
  return data ? element(data, dtype, i) : otherwise;
}
__device__ __forceinline__ void put(void* data, DType dtype, int64_t i, double value) {
  store(static_cast<char*>(data) + i * item_size(dtype), dtype, value);
}

struct Sums {
  double first, second;
};
struct PlusSums {
  __device__ Sums operator()(const Sums& a, const Sums& b) const {
    return {a.first + b.first, a.second + b.second};
  }
};

/// Rows of layer norm and channels of batch norm, as places of n elements: at(i) is the place of element i,
/// and parameter(i) that of its weight.
struct Row {
  int64_t start;
  __device__ int64_t at(int64_t i) const { return start + i; }
};
struct Channel {
  int64_t channel, channels, plane;
  bool last;
  __device__ int64_t at(int64_t i) const {
    if (last) return i * channels + channel;
    return (i / plane * channels + channel) * plane + i % plane;
  }
};

/// Mean and biased variance of n elements; all threads of the block get them.
template <class Places>
__device__ __forceinline__ void moments(const void* x, DType dtype, const Places& places, int64_t n,
                                        bool centered, Sums* shared, double& mean, double& variance) {
  const double origin = centered ? element(x, dtype, places.at(0)) : 0;
  Sums sums{0, 0};
  for (int64_t i = threadIdx.x; i < n; i += block_threads) {
    const double value = element(x, dtype, places.at(i)) - origin;
    sums.first += value;
    sums.second += value * value;
  }
  sums = combine_block(sums, shared, 1, PlusSums());
  const double shift = centered ? sums.first / double(n) : 0;
  mean = origin + shift;
  variance = fmax(0., sums.second / double(n) - shift * shift);
}

__global__ void __launch_bounds__(block_threads)
    row_norm(const cpu::RowNorm norm, const void* x, const void* weight, const void* bias, void* y,
             double* mean, double* rstd) {
  __shared__ Sums shared[block_threads];
  const Row row{int64_t(blockIdx.x) * norm.size};
  double center, variance;
  moments(x, norm.dtype, row, norm.size, norm.centered, shared, center, variance);
  const double scale = 1 / sqrt(variance + norm.eps);
  if (threadIdx.x == 0) {
    if (mean) mean[blockIdx.x] = center;
    if (rstd) rstd[blockIdx.x] = scale;
  }
  for (int64_t i = threadIdx.x; i < norm.size; i += block_threads) {
    const double value = (element(x, norm.dtype, row.at(i)) - center) * scale;
    put(y, norm.dtype, row.at(i),
        value * element_or(weight, norm.parameter_dtype, i, 1) +
            element_or(bias, norm.parameter_dtype, i, 0));
  }
}

__global__ void __launch_bounds__(block_threads)
    row_norm_dx(const cpu::RowNorm norm, const void* x, const void* dy, const void* weight,
                const double* mean, const double* rstd, void* dx) {
  __shared__ Sums shared[block_threads];
  const Row row{int64_t(blockIdx.x) * norm.size};
  const double center = mean ? mean[blockIdx.x] : 0, scale = rstd[blockIdx.x];
  Sums sums{0, 0};
  for (int64_t i = threadIdx.x; i < norm.size; i += block_threads) {
    const double g = element(dy, norm.dtype, row.at(i)) * element_or(weight, norm.parameter_dtype, i, 1);
    sums.first += g;
    sums.second += g * (element(x, norm.dtype, row.at(i)) - center) * scale;
  }
  sums = combine_block(sums, shared, 1, PlusSums());
  const double size = double(norm.size), average = norm.centered ? sums.first / size : 0;
  for (int64_t i = threadIdx.x; i < norm.size; i += block_threads) {
    const double g = element(dy, norm.dtype, row.at(i)) * element_or(weight, norm.parameter_dtype, i, 1);
    const double normal = (element(x, norm.dtype, row.at(i)) - center) * scale;
    put(dx, norm.dtype, row.at(i), scale * (g - average - normal * sums.second / size));
  }
}

/// 32 columns and 8 rows at a time, so that rows are read in whole lines.
__global__ void __launch_bounds__(block_threads)
    row_norm_parameters(const cpu::RowNorm norm, const void* x, const void* dy, const double* mean,
                        const double* rstd, void* dw, void* db) {
  __shared__ Sums shared[block_threads];
  const int64_t column = int64_t(blockIdx.x) * 32 + threadIdx.x % 32;
  Sums sums{0, 0};
  if (column < norm.size)
    for (int64_t row = threadIdx.x / 32; row < norm.rows; row += block_threads / 32) {
      const double g = element(dy, norm.dtype, row * norm.size + column);
      const double value = element(x, norm.dtype, row * norm.size + column) - (mean ? mean[row] : 0);
      sums.first += g;
      sums.second += g * value * rstd[row];
    }
  sums = combine_block(sums, shared, 32, PlusSums());
  if (threadIdx.x >= 32 || column >= norm.size) return;
  if (dw) put(dw, norm.parameter_dtype, column, sums.second);
  if (db) put(db, norm.parameter_dtype, column, sums.first);
}

__global__ void __launch_bounds__(block_threads)
    batch_norm(const cpu::ChannelNorm norm, double eps, const void* x, const void* weight, const void* bias,
               void* y, double* mean, double* variance, double* rstd) {
  __shared__ Sums shared[block_threads];
  const Channel channel{blockIdx.x, norm.channels, norm.plane, norm.channels_last};
  const int64_t n = norm.batch * norm.plane;
  double center, spread;
  moments(x, norm.dtype, channel, n, true, shared, center, spread);
  const double scale = 1 / sqrt(spread + eps);
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = center;
    variance[blockIdx.x] = spread;
    rstd[blockIdx.x] = scale;
  }
  const double slope = scale * element_or(weight, norm.parameter_dtype, blockIdx.x, 1);
  const double offset = element_or(bias, norm.parameter_dtype, blockIdx.x, 0);
  for (int64_t i = threadIdx.x; i < n; i += block_threads)
    put(y, norm.dtype, channel.at(i), (element(x, norm.dtype, channel.at(i)) - center) * slope + offset);
}

__global__ void __launch_bounds__(block_threads)
    batch_norm_backward(const cpu::ChannelNorm norm, bool training, const void* x, const void* dy,
                        const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                        void* db) {
  __shared__ Sums shared[block_threads];
  const Channel channel{blockIdx.x, norm.channels, norm.plane, norm.channels_last};
  const int64_t n = norm.batch * norm.plane;
  const double center = mean[blockIdx.x], scale = rstd[blockIdx.x];
  Sums sums{0, 0};
  for (int64_t i = threadIdx.x; i < n; i += block_threads) {
    const double g = element(dy, norm.dtype, channel.at(i));
    sums.first += g;
    sums.second += g * (element(x, norm.dtype, channel.at(i)) - center) * scale;
  }
  sums = combine_block(sums, shared, 1, PlusSums());
  if (threadIdx.x == 0) {
    if (dw) put(dw, norm.parameter_dtype, blockIdx.x, sums.second);
    if (db) put(db, norm.parameter_dtype, blockIdx.x, sums.first);
  }
  if (!dx) return;
  const double slope = scale * element_or(weight, norm.parameter_dtype, blockIdx.x, 1);
  for (int64_t i = threadIdx.x; i < n; i += block_threads) {
    double g = element(dy, norm.dtype, channel.at(i));
    if (training) {
      const double normal = (element(x, norm.dtype, channel.at(i)) - center) * scale;
      g -= (sums.first + normal * sums.second) / double(n);
    }
    put(dx, norm.dtype, channel.at(i), g * slope);
  }
}

}  // namespace kernels

void row_norm(const cpu::RowNorm& norm, const void* x, const void* weight, const void* bias, void* y,
              double* mean, double* rstd) {
  if (norm.rows == 0 || norm.size == 0) return;
  kernels::row_norm<<<unsigned(norm.rows), block_threads, 0, runtime().stream_in_use()>>>(
      norm, x, weight, bias, y, mean, rstd);
  check_launch("layer_norm");
}

void row_norm_backward(const cpu::RowNorm& norm, const void* x, const void* dy, const void* weight,
                       const double* mean, const double* rstd, void* dx, void* dw, void* db) {
  const cudaStream_t stream = runtime().stream_in_use();
  if (dx && norm.rows && norm.size)
    kernels::row_norm_dx<<<unsigned(norm.rows), block_threads, 0, stream>>>(norm, x, dy, weight, mean, rstd,
                                                                            dx);
  if ((dw || db) && norm.size)
    kernels::row_norm_parameters<<<unsigned((norm.size + 31) / 32), block_threads, 0, stream>>>(
        norm, x, dy, mean, rstd, dw, db);
  check_launch("layer_norm_backward");
}

void batch_norm(const cpu::ChannelNorm& norm, double eps, const void* x, const void* weight, const void* bias,
                void* y, double* mean, double* variance, double* rstd) {
  if (norm.channels == 0 || norm.batch * norm.plane == 0) return;
  kernels::batch_norm<<<unsigned(norm.channels), block_threads, 0, runtime().stream_in_use()>>>(
      norm, eps, x, weight, bias, y, mean, variance, rstd);
  check_launch("batch_norm");
}

void batch_norm_backward(const cpu::ChannelNorm& norm, bool training, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db) {
  if (norm.channels == 0) return;
  kernels::batch_norm_backward<<<unsigned(norm.channels), block_threads, 0, runtime().stream_in_use()>>>(
      norm, training, x, dy, weight, mean, rstd, dx, dw, db);
  check_launch("batch_norm_backward");
}

}  // namespace taper::cuda
