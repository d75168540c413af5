// Group norm, and batch norm by given statistics. A block for each group of an image; statistics are float64
// sums of short sums in the type that rows are computed in, of values less the first of the group.
#include "cuda/block.cuh"
#include "cuda/element.cuh"
#include "cuda/norm.h"

namespace taper::cuda {

namespace kernels {

struct Sums {
  double first, second;
};
struct PlusSums {
  __device__ Sums operator()(const Sums& a, const Sums& b) const {
    return {a.first + b.first, a.second + b.second};
  }
};

/// The two sums over terms [start, count), every step-th: term(i, first, second) adds one. In T for 64 terms.
template <class T, class I, class F>
__device__ __forceinline__ Sums sum_terms(I start, I count, int step, const F& term) {
  Sums sums{0, 0};
  for (I i = start; i < count;) {
    T first = 0, second = 0;
    for (int k = 0; k < 64 && i < count; ++k, i += step) term(i, first, second);
    sums.first += double(first), sums.second += double(second);
  }
  return sums;
}

/// The elements of a group in memory order, counted in 32 bits, as 64-bit division is slow on devices:
/// place(i) is where the i-th is, channel(i) its channel.
struct Group {
  int64_t image, first, channels;
  int width, plane;
  bool last;

  __device__ Group(const cpu::ChannelNorm& n, int64_t groups, int64_t i)
      : image(i / groups),
        first(i % groups * (n.channels / groups)),
        channels(n.channels),
        width(int(n.channels / groups)),
        plane(int(n.plane)),
        last(n.channels_last) {}
  __device__ int count() const { return width * plane; }
  __device__ int64_t channel(int i) const { return first + (last ? i % width : i / plane); }
  __device__ int64_t place(int i) const {
    return last ? (image * plane + i / width) * channels + first + i % width
                : (image * channels + first) * plane + i;
  }
};

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    group_norm(const cpu::ChannelNorm n, int64_t groups, double eps, const void* x, const void* weight,
               const void* bias, void* y, double* mean, double* rstd) {
  __shared__ Sums shared[block_threads];
  const Group group(n, groups, blockIdx.x);
  const int count = group.count();
  const T origin = element<T>(x, n.dtype, group.place(0));
  Sums sums = sum_terms<T>(int(threadIdx.x), count, block_threads, [&](int i, T& first, T& second) {
    const T value = element<T>(x, n.dtype, group.place(i)) - origin;
    first += value, second += value * value;
  });
  sums = combine_block(sums, shared, 1, PlusSums());
  const double shift = sums.first / double(count), variance = sums.second / double(count) - shift * shift;
  const double scale = 1 / sqrt((variance < 0 ? 0 : variance) + eps);
  if (threadIdx.x == 0) mean[blockIdx.x] = double(origin) + shift, rstd[blockIdx.x] = scale;
  for (int i = threadIdx.x; i < count; i += block_threads) {
    const int64_t place = group.place(i), channel = group.channel(i);
    const T slope = T(scale) * element_or<T>(weight, n.parameter_dtype, channel, 1);
    const T value = element<T>(x, n.dtype, place) - origin - T(shift);
    put(y, n.dtype, place, value * slope + element_or<T>(bias, n.parameter_dtype, channel, 0));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    group_norm_dx(const cpu::ChannelNorm n, int64_t groups, const void* x, const void* dy, const void* weight,
                  const double* mean, const double* rstd, void* dx) {
  __shared__ Sums shared[block_threads];
  const Group group(n, groups, blockIdx.x);
  const int count = group.count();
  // The mean in two parts, so that a large one loses no accuracy.
  const T scale = T(rstd[blockIdx.x]), high = T(mean[blockIdx.x]), low = T(mean[blockIdx.x] - double(high));
  const auto normal = [&](int64_t place) { return (element<T>(x, n.dtype, place) - high - low) * scale; };
  const auto weighted = [&](int i, int64_t place) {
    return element<T>(dy, n.dtype, place) * element_or<T>(weight, n.parameter_dtype, group.channel(i), 1);
  };
  Sums sums = sum_terms<T>(int(threadIdx.x), count, block_threads, [&](int i, T& first, T& second) {
    const int64_t place = group.place(i);
    const T g = weighted(i, place);
    first += g, second += g * normal(place);
  });
  sums = combine_block(sums, shared, 1, PlusSums());
  const T average = T(sums.first / double(count)), along = T(sums.second / double(count));
  for (int i = threadIdx.x; i < count; i += block_threads) {
    const int64_t place = group.place(i);
    put(dx, n.dtype, place, scale * (weighted(i, place) - average - normal(place) * along));
  }
}

/// A block for each channel, or for 32 that are neighbours in memory.
template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    group_norm_parameters(const cpu::ChannelNorm n, int64_t groups, const void* x, const void* dy,
                          const double* mean, const double* rstd, void* dw, void* db) {
  __shared__ Sums shared[block_threads];
  const int across = n.channels_last ? 32 : 1;
  const int64_t channel = int64_t(blockIdx.x) * across + threadIdx.x % across;
  const int64_t first_group = int(channel) / int(n.channels / groups);
  Sums sums{0, 0};
  for (int64_t image = 0; image < n.batch && channel < n.channels; ++image) {
    const int64_t group = image * groups + first_group;
    const T high = T(mean[group]), low = T(mean[group] - double(high));
    const Sums part = sum_terms<T>(
        int(threadIdx.x) / across, int(n.plane), block_threads / across, [&](int i, T& first, T& second) {
          const int64_t place = n.channels_last ? (image * n.plane + i) * n.channels + channel
                                                : (image * n.channels + channel) * n.plane + i;
          const T g = element<T>(dy, n.dtype, place);
          first += g, second += g * (element<T>(x, n.dtype, place) - high - low);
        });
    sums.first += part.first, sums.second += part.second * rstd[group];
  }
  sums = combine_block(sums, shared, across, PlusSums());
  if (int(threadIdx.x) >= across || channel >= n.channels) return;
  if (dw) put(dw, n.parameter_dtype, channel, sums.second);
  if (db) put(db, n.parameter_dtype, channel, sums.first);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    batch_norm_inference(const cpu::ChannelNorm n, const void* x, const void* weight, const void* bias,
                         const double* mean, const double* rstd, void* y) {
  const int64_t count = n.batch * n.channels * n.plane;
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const int64_t channel = n.channels_last ? i % n.channels : i / n.plane % n.channels;
    const T high = T(mean[channel]), low = T(mean[channel] - double(high));
    const T slope = T(rstd[channel]) * element_or<T>(weight, n.parameter_dtype, channel, 1);
    const T value = element<T>(x, n.dtype, i) - high - low;
    put(y, n.dtype, i, value * slope + element_or<T>(bias, n.parameter_dtype, channel, 0));
  }
}

}  // namespace kernels

namespace {

void check_norm(const cpu::ChannelNorm& n, int64_t groups, const char* op) {
  check<DTypeError>(is_floating_point(n.dtype) && is_floating_point(n.parameter_dtype), op, ": got ", n.dtype,
                    " with parameters of ", n.parameter_dtype, ", expected floating types");
  check<ShapeError>(groups > 0 && n.channels % groups == 0, op, ": ", n.channels,
                    " channels do not divide into ", groups, " groups");
  check<ShapeError>(n.channels / groups * n.plane <= INT32_MAX - block_threads, op, ": on CUDA a group of ",
                    n.channels / groups * n.plane, " elements is not supported");
}

/// Of parameters in float64 beside narrower values, and of float64 values, double.
template <class F>
void visit_norm_type(const cpu::ChannelNorm& n, F&& f) {
  visit_row_type(n.parameter_dtype == float64 ? float64 : n.dtype, f);
}

}  // namespace

void group_norm(const cpu::ChannelNorm& norm, int64_t groups, double eps, const void* x, const void* weight,
                const void* bias, void* y, double* mean, double* rstd) {
  check_norm(norm, groups, "group_norm");
  if (norm.batch * norm.channels * norm.plane == 0) return;
  visit_norm_type(norm, [&]<class T>() {
    kernels::group_norm<T><<<unsigned(norm.batch * groups), block_threads, 0, runtime().stream_in_use()>>>(
        norm, groups, eps, x, weight, bias, y, mean, rstd);
  });
  check_launch("group_norm");
}

void group_norm_backward(const cpu::ChannelNorm& norm, int64_t groups, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db) {
  check_norm(norm, groups, "group_norm_backward");
  const cudaStream_t stream = runtime().stream_in_use();
  visit_norm_type(norm, [&]<class T>() {
    if (dx && norm.batch * norm.channels * norm.plane > 0)
      kernels::group_norm_dx<T><<<unsigned(norm.batch * groups), block_threads, 0, stream>>>(
          norm, groups, x, dy, weight, mean, rstd, dx);
    const int64_t across = norm.channels_last ? 32 : 1;
    if ((dw || db) && norm.channels > 0)
      kernels::group_norm_parameters<T>
          <<<unsigned((norm.channels + across - 1) / across), block_threads, 0, stream>>>(norm, groups, x, dy,
                                                                                          mean, rstd, dw, db);
  });
  check_launch("group_norm_backward");
}

void batch_norm_inference(const cpu::ChannelNorm& norm, const void* x, const void* weight, const void* bias,
                          const double* mean, const double* rstd, void* y) {
  check_norm(norm, std::max<int64_t>(1, norm.channels), "batch_norm");
  const int64_t count = norm.batch * norm.channels * norm.plane;
  if (count == 0) return;
  visit_norm_type(norm, [&]<class T>() {
    kernels::batch_norm_inference<T><<<blocks_for(count), block_threads, 0, runtime().stream_in_use()>>>(
        norm, x, weight, bias, mean, rstd, y);
  });
  check_launch("batch_norm");
}

}  // namespace taper::cuda
