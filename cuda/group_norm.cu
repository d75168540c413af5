// Group norm: a block for each group of an image. Statistics are sums of values less the first of the group,
// so that a mean far from 0 costs no accuracy.
#include "cuda/norm.cuh"
#include "cuda/norm.h"

namespace taper::cuda {

namespace kernels {

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
  const InParts<T> center(mean[blockIdx.x]);
  const T scale = T(rstd[blockIdx.x]);
  const auto normal = [&](int64_t place) { return center.from(element<T>(x, n.dtype, place)) * scale; };
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
    const InParts<T> center(mean[group]);
    const Sums part = sum_terms<T>(
        int(threadIdx.x) / across, int(n.plane), block_threads / across, [&](int i, T& first, T& second) {
          const int64_t place = n.channels_last ? (image * n.plane + i) * n.channels + channel
                                                : (image * n.channels + channel) * n.plane + i;
          const T g = element<T>(dy, n.dtype, place);
          first += g, second += g * center.from(element<T>(x, n.dtype, place));
        });
    sums.first += part.first, sums.second += part.second * rstd[group];
  }
  sums = combine_block(sums, shared, across, PlusSums());
  if (int(threadIdx.x) >= across || channel >= n.channels) return;
  if (dw) put(dw, n.parameter_dtype, channel, sums.second);
  if (db) put(db, n.parameter_dtype, channel, sums.first);
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

}  // namespace

void group_norm(const cpu::ChannelNorm& norm, int64_t groups, double eps, const void* x, const void* weight,
                const void* bias, void* y, double* mean, double* rstd) {
  check_norm(norm, groups, "group_norm");
  if (norm.batch * norm.channels * norm.plane == 0) return;
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
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
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
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

}  // namespace taper::cuda
