// Batch norm: sums of each channel in slices, and then each element by itself. Statistics are sums of values
// less the first of the channel, so that a mean far from 0 costs no accuracy.
#include "cuda/cudnn_norm.h"
#include "cuda/norm.cuh"
#include "cuda/norm.h"

namespace taper::cuda {

namespace kernels {

/// The part of a channel that a thread sums: positions [begin, end), every step-th, counted over all images.
/// If channels are last, 32 of them share a block, so that memory is read in whole lines.
struct Slice {
  int across, begin, end, step, plane, number;
  int64_t channel, channels;
  bool last;

  __device__ Slice(const cpu::ChannelNorm& n, int slice_positions)
      : across(n.channels_last ? 32 : 1), plane(int(n.plane)), channels(n.channels), last(n.channels_last) {
    const int tiles = int((channels + across - 1) / across), all = int(n.batch) * plane;
    number = int(blockIdx.x) / tiles;
    channel = int(blockIdx.x) % tiles * across + int(threadIdx.x) % across;
    step = block_threads / across;
    begin = number * slice_positions + int(threadIdx.x) / across;
    end = all - number * slice_positions < slice_positions ? all : (number + 1) * slice_positions;
    if (channel >= channels) end = begin;
  }
  __device__ int64_t place(int i) const {
    return last ? i * channels + channel : (i / plane * channels + channel) * plane + i % plane;
  }
  __device__ void write(Sums sums, Sums* shared, Sums* parts) const {
    sums = combine_block(sums, shared, across, PlusSums());
    if (int(threadIdx.x) < across && channel < channels) parts[number * channels + channel] = sums;
  }
};

/// Where the channel's first element is: what is subtracted before squaring.
__device__ inline int64_t first_of(const cpu::ChannelNorm& n, int64_t channel) {
  return n.channels_last ? channel : channel * n.plane;
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    moment_parts(const cpu::ChannelNorm n, int slice_positions, const void* x, Sums* parts) {
  __shared__ Sums shared[block_threads];
  const Slice slice(n, slice_positions);
  const T origin = slice.channel < n.channels ? element<T>(x, n.dtype, first_of(n, slice.channel)) : T(0);
  slice.write(sum_terms<T>(slice.begin, slice.end, slice.step,
                           [&](int i, T& first, T& second) {
                             const T value = element<T>(x, n.dtype, slice.place(i)) - origin;
                             first += value, second += value * value;
                           }),
              shared, parts);
}

__global__ void __launch_bounds__(block_threads, 1)
    finish_moments(const cpu::ChannelNorm n, double eps, const void* x, const Sums* parts, int slices,
                   double* mean, double* variance, double* rstd) {
  const double count = double(n.batch * n.plane);
  for (int64_t i = thread_number(); i < n.channels; i += thread_count()) {
    const Sums sums = sum_parts(parts, slices, n.channels, i);
    const double shift = sums.first / count, spread = fmax(0., sums.second / count - shift * shift);
    mean[i] = element<double>(x, n.dtype, first_of(n, i)) + shift;
    variance[i] = spread;
    rstd[i] = 1 / sqrt(spread + eps);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    normalize_channels(const cpu::ChannelNorm n, const void* x, const void* weight, const void* bias,
                       const double* mean, const double* rstd, void* y) {
  const int64_t count = n.batch * n.channels * n.plane;
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const int64_t channel = n.channels_last ? i % n.channels : i / n.plane % n.channels;
    const InParts<T> center(mean[channel]);
    const T slope = T(rstd[channel]) * element_or<T>(weight, n.parameter_dtype, channel, 1);
    put(y, n.dtype, i,
        center.from(element<T>(x, n.dtype, i)) * slope + element_or<T>(bias, n.parameter_dtype, channel, 0));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    product_parts(const cpu::ChannelNorm n, int slice_positions, const void* x, const void* dy,
                  const double* mean, const double* rstd, Sums* parts) {
  __shared__ Sums shared[block_threads];
  const Slice slice(n, slice_positions);
  const bool exists = slice.channel < n.channels;
  const InParts<T> center(exists ? mean[slice.channel] : 0);
  Sums sums = sum_terms<T>(slice.begin, slice.end, slice.step, [&](int i, T& first, T& second) {
    const int64_t place = slice.place(i);
    const T g = element<T>(dy, n.dtype, place);
    first += g, second += g * center.from(element<T>(x, n.dtype, place));
  });
  if (exists) sums.second *= rstd[slice.channel];
  slice.write(sums, shared, parts);
}

/// totals [channels] = the sums of the slices, which are the gradients of weight and bias.
__global__ void __launch_bounds__(block_threads, 1)
    finish_products(const Sums* parts, int slices, int64_t channels, DType dtype, Sums* totals, void* dw,
                    void* db) {
  for (int64_t i = thread_number(); i < channels; i += thread_count()) {
    totals[i] = sum_parts(parts, slices, channels, i);
    if (dw) put(dw, dtype, i, totals[i].second);
    if (db) put(db, dtype, i, totals[i].first);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    batch_norm_dx(const cpu::ChannelNorm n, bool training, const void* x, const void* dy, const void* weight,
                  const double* mean, const double* rstd, const Sums* totals, void* dx) {
  const int64_t count = n.batch * n.channels * n.plane;
  const T share = T(training ? 1 / double(n.batch * n.plane) : 0);
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const int64_t channel = n.channels_last ? i % n.channels : i / n.plane % n.channels;
    const T scale = T(rstd[channel]);
    const T slope = scale * element_or<T>(weight, n.parameter_dtype, channel, 1);
    T g = element<T>(dy, n.dtype, i);
    if (training) {
      const T normal = InParts<T>(mean[channel]).from(element<T>(x, n.dtype, i)) * scale;
      g -= (T(totals[channel].first) + normal * T(totals[channel].second)) * share;
    }
    put(dx, n.dtype, i, g * slope);
  }
}

}  // namespace kernels

namespace {

/// Sums by channel in slices: how many, of how many positions, in how many blocks.
struct Slices {
  int count, positions;
  unsigned blocks;

  Slices(const cpu::ChannelNorm& n, const char* op) {
    const int64_t all = n.batch * n.plane, across = n.channels_last ? 32 : 1,
                  tiles = (n.channels + across - 1) / across;
    constexpr int64_t most = INT32_MAX - (1 << 16);
    check<ShapeError>(all <= most, op, ": on CUDA a channel of ", all, " elements is not supported, at most ",
                      most);
    count = norm_slices(tiles, all / across);
    positions = int((all + count - 1) / count);
    blocks = unsigned(tiles * count);
  }
  int64_t bytes(const cpu::ChannelNorm& n) const {
    return count * n.channels * int64_t(sizeof(kernels::Sums));
  }
};

void own_batch_norm(const cpu::ChannelNorm& norm, double eps, const void* x, const void* weight,
                    const void* bias, void* y, double* mean, double* variance, double* rstd) {
  if (norm.batch * norm.channels * norm.plane == 0) return;
  const Slices slices(norm, "batch_norm");
  const Scratch memory(slices.bytes(norm));
  auto* parts = memory.data<kernels::Sums>();
  const cudaStream_t stream = runtime().stream_in_use();
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
    kernels::moment_parts<T><<<slices.blocks, block_threads, 0, stream>>>(norm, slices.positions, x, parts);
  });
  kernels::finish_moments<<<blocks_for(norm.channels), block_threads, 0, stream>>>(
      norm, eps, x, parts, slices.count, mean, variance, rstd);
  check_launch("batch_norm");
  cuda::batch_norm_inference(norm, x, weight, bias, mean, rstd, y);
}

void own_batch_norm_backward(const cpu::ChannelNorm& norm, bool training, const void* x, const void* dy,
                             const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                             void* db) {
  if (norm.channels == 0) return;
  const int64_t count = norm.batch * norm.channels * norm.plane;
  if (count == 0) {  // of no elements there are no statistics, either
    for (void* sums : {dw, db})
      if (sums)
        runtime().set_zero(runtime().device_in_use(), sums, norm.channels * item_size(norm.parameter_dtype));
    return;
  }
  const Slices slices(norm, "batch_norm_backward");
  const Scratch memory(slices.bytes(norm)), all(norm.channels * int64_t(sizeof(kernels::Sums)));
  auto *parts = memory.data<kernels::Sums>(), *totals = all.data<kernels::Sums>();
  const cudaStream_t stream = runtime().stream_in_use();
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
    kernels::product_parts<T>
        <<<slices.blocks, block_threads, 0, stream>>>(norm, slices.positions, x, dy, mean, rstd, parts);
    kernels::finish_products<<<blocks_for(norm.channels), block_threads, 0, stream>>>(
        parts, slices.count, norm.channels, norm.parameter_dtype, totals, dw, db);
    if (dx)
      kernels::batch_norm_dx<T><<<blocks_for(count), block_threads, 0, stream>>>(
          norm, training, x, dy, weight, mean, rstd, totals, dx);
  });
  check_launch("batch_norm_backward");
}

}  // namespace

void batch_norm(const cpu::ChannelNorm& norm, double eps, const void* x, const void* weight, const void* bias,
                void* y, double* mean, double* variance, double* rstd) {
  const auto own = [&] { own_batch_norm(norm, eps, x, weight, bias, y, mean, variance, rstd); };
  if (!cudnn_batch_norm(norm, eps, x, weight, bias, y, mean, variance, rstd, std::ref(own))) own();
}

void batch_norm_inference(const cpu::ChannelNorm& norm, const void* x, const void* weight, const void* bias,
                          const double* mean, const double* rstd, void* y) {
  const int64_t count = norm.batch * norm.channels * norm.plane;
  if (count == 0) return;
  visit_norm_type(norm.dtype, norm.parameter_dtype, [&]<class T>() {
    kernels::normalize_channels<T><<<blocks_for(count), block_threads, 0, runtime().stream_in_use()>>>(
        norm, x, weight, bias, mean, rstd, y);
  });
  check_launch("batch_norm");
}

void batch_norm_backward(const cpu::ChannelNorm& norm, bool training, const void* x, const void* dy,
                         const void* weight, const double* mean, const double* rstd, void* dx, void* dw,
                         void* db) {
  const auto own = [&] { own_batch_norm_backward(norm, training, x, dy, weight, mean, rstd, dx, dw, db); };
  if (!training || !cudnn_batch_norm_backward(norm, x, dy, weight, mean, rstd, dx, dw, db, std::ref(own)))
    own();
}

}  // namespace taper::cuda
