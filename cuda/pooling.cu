// Max and average pooling: a thread for each result, which takes what it depends on in a fixed order. Windows
// are those of src/cpu/pooling_plan.cc.
#include "cpu/pooling_plan.h"
#include "cuda/block.cuh"
#include "cuda/element.cuh"
#include "cuda/pooling.h"

namespace taper::cuda {

namespace {

/// A pooling with three spatial dimensions always, the first ones of size 1.
struct PoolPlan {
  DType dtype;
  bool channels_last, adaptive, count_include_pad;
  int64_t channels, inputs, outputs, plane_in, plane_out;
  int64_t input[3], output[3], kernel[3], stride[3], padding[3], dilation[3];
  double divisor_override;
};

PoolPlan plan_of(const cpu::Pooling& p, const char* op) {
  cpu::PoolingPlan(p, op);  // checks the sizes
  PoolPlan plan{p.dtype,    p.channels_last,
                p.adaptive, p.count_include_pad,
                p.channels, 0,
                0,          1,
                1,          {1, 1, 1},
                {1, 1, 1},  {1, 1, 1},
                {1, 1, 1},  {},
                {1, 1, 1},  double(p.divisor_override)};
  for (int i = 0, at = 3 - p.spatial_dims; i < p.spatial_dims; ++i, ++at) {
    plan.input[at] = p.input[i], plan.output[at] = p.output[i], plan.kernel[at] = p.kernel[i];
    plan.stride[at] = p.stride[i], plan.padding[at] = p.padding[i], plan.dilation[at] = p.dilation[i];
    plan.plane_in *= p.input[i], plan.plane_out *= p.output[i];
  }
  plan.inputs = p.batch * p.channels * plan.plane_in;
  plan.outputs = p.batch * p.channels * plan.plane_out;
  return plan;
}

}  // namespace

namespace kernels {

struct Window {
  int64_t begin, end, step, counted;
};

__device__ __forceinline__ int64_t adaptive_begin(const PoolPlan& p, int d, int64_t o) {
  return o * p.input[d] / p.output[d];
}
__device__ __forceinline__ int64_t adaptive_end(const PoolPlan& p, int d, int64_t o) {
  return ((o + 1) * p.input[d] + p.output[d] - 1) / p.output[d];
}

/// How many elements of a window an average counts, whose windows have no gaps.
__device__ __forceinline__ int64_t counted_of(const PoolPlan& p, int d, int64_t o) {
  if (p.adaptive) return adaptive_end(p, d, o) - adaptive_begin(p, d, o);
  const int64_t first = o * p.stride[d] - p.padding[d], reach = first + p.kernel[d];
  const int64_t most = p.input[d] + (p.count_include_pad ? p.padding[d] : 0);
  const int64_t least = p.count_include_pad || first > 0 ? first : 0;
  return (reach < most ? reach : most) - least;
}

__device__ __forceinline__ Window window_of(const PoolPlan& p, int d, int64_t o) {
  const int64_t counted = counted_of(p, d, o);
  if (p.adaptive) return {adaptive_begin(p, d, o), adaptive_end(p, d, o), 1, counted};
  const int64_t first = o * p.stride[d] - p.padding[d], step = p.dilation[d];
  const int64_t reach = first + step * (p.kernel[d] - 1) + 1;
  const int64_t skipped = first < 0 ? (-first + step - 1) / step : 0;
  const int64_t begin = first + skipped * step, end = reach < p.input[d] ? reach : p.input[d];
  return {begin, end, step, counted};
}

/// The output of a thread: its image and channel, and the place of element `at` of an input plane of theirs.
struct OutputAt {
  Window windows[3];
  int64_t image, channel;

  __device__ OutputAt(const PoolPlan& p, int64_t i) {
    int64_t place;
    if (p.channels_last) {
      channel = i % p.channels, place = i / p.channels % p.plane_out, image = i / p.channels / p.plane_out;
    } else {
      place = i % p.plane_out, channel = i / p.plane_out % p.channels, image = i / p.plane_out / p.channels;
    }
    windows[2] = window_of(p, 2, place % p.output[2]);
    windows[1] = window_of(p, 1, place / p.output[2] % p.output[1]);
    windows[0] = window_of(p, 0, place / p.output[2] / p.output[1]);
  }
  __device__ int64_t input(const PoolPlan& p, int64_t at) const {
    return p.channels_last ? (image * p.plane_in + at) * p.channels + channel
                           : (image * p.channels + channel) * p.plane_in + at;
  }
  /// body(place in the plane) for each input of the window, in row-major order.
  template <class F>
  __device__ __forceinline__ void each(const PoolPlan& p, const F& body) const {
    for (int64_t a = windows[0].begin; a < windows[0].end; a += windows[0].step)
      for (int64_t b = windows[1].begin; b < windows[1].end; b += windows[1].step)
        for (int64_t c = windows[2].begin; c < windows[2].end; c += windows[2].step)
          body((a * p.input[1] + b) * p.input[2] + c);
  }
  __device__ double divisor(const PoolPlan& p) const {
    return p.divisor_override != 0 ? p.divisor_override
                                   : double(windows[0].counted * windows[1].counted * windows[2].counted);
  }
};

/// The first of the largest, the last NaN.
template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    max_pool(const __grid_constant__ PoolPlan p, const void* x, void* y, int64_t* indices) {
  for (int64_t i = thread_number(); i < p.outputs; i += thread_count()) {
    const OutputAt output(p, i);
    T best = T(-INFINITY);
    int64_t place = -1;
    output.each(p, [&](int64_t at) {
      const T value = element<T>(x, p.dtype, output.input(p, at));
      if (place < 0 || value > best || value != value) best = value, place = at;
    });
    put(y, p.dtype, i, best);
    if (indices) indices[i] = place;
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    average_pool(const __grid_constant__ PoolPlan p, const void* x, void* y) {
  for (int64_t i = thread_number(); i < p.outputs; i += thread_count()) {
    const OutputAt output(p, i);
    T sum = 0;
    output.each(p, [&](int64_t at) { sum += element<T>(x, p.dtype, output.input(p, at)); });
    put(y, p.dtype, i, sum / T(output.divisor(p)));
  }
}

/// The input of a thread, and the outputs whose windows may hold it.
struct InputAt {
  int64_t image, channel, place;
  int64_t begin[3], end[3];

  __device__ InputAt(const PoolPlan& p, int64_t i) {
    if (p.channels_last) {
      channel = i % p.channels, place = i / p.channels % p.plane_in, image = i / p.channels / p.plane_in;
    } else {
      place = i % p.plane_in, channel = i / p.plane_in % p.channels, image = i / p.plane_in / p.channels;
    }
    range(p, 2, place % p.input[2]);
    range(p, 1, place / p.input[2] % p.input[1]);
    range(p, 0, place / p.input[2] / p.input[1]);
  }
  __device__ void range(const PoolPlan& p, int d, int64_t at) {
    if (p.adaptive) {
      begin[d] = at * p.output[d] / p.input[d];
      end[d] = ((at + 1) * p.output[d] + p.input[d] - 1) / p.input[d];
      return;
    }
    const int64_t last = at + p.padding[d], first = last - p.dilation[d] * (p.kernel[d] - 1);
    const int64_t beyond = last / p.stride[d] + 1;
    begin[d] = first <= 0 ? 0 : (first + p.stride[d] - 1) / p.stride[d];
    end[d] = beyond < p.output[d] ? beyond : p.output[d];
  }
  /// body(number of the output, its place by dimension) for each, in row-major order. Few outputs hold an
  /// input, and unrolled loops over them would take registers that other threads run on.
  template <class F>
  __device__ __forceinline__ void each(const PoolPlan& p, const F& body) const {
#pragma unroll 1
    for (int64_t a = begin[0]; a < end[0]; ++a)
#pragma unroll 1
      for (int64_t b = begin[1]; b < end[1]; ++b)
#pragma unroll 1
        for (int64_t c = begin[2]; c < end[2]; ++c) {
          const int64_t at = (a * p.output[1] + b) * p.output[2] + c;
          body(p.channels_last ? (image * p.plane_out + at) * p.channels + channel
                               : (image * p.channels + channel) * p.plane_out + at,
               a, b, c);
        }
  }
};

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    max_pool_backward(const __grid_constant__ PoolPlan p, const void* dy, const int64_t* indices, void* dx) {
  for (int64_t i = thread_number(); i < p.inputs; i += thread_count()) {
    const InputAt input(p, i);
    T sum = 0;
    input.each(p, [&](int64_t output, int64_t, int64_t, int64_t) {
      if (indices[output] == input.place) sum += element<T>(dy, p.dtype, output);
    });
    put(dx, p.dtype, i, sum);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 3)
    average_pool_backward(const __grid_constant__ PoolPlan p, const void* dy, void* dx) {
  for (int64_t i = thread_number(); i < p.inputs; i += thread_count()) {
    const InputAt input(p, i);
    T sum = 0;
    input.each(p, [&](int64_t output, int64_t a, int64_t b, int64_t c) {
      const double divisor = p.divisor_override != 0
                                 ? p.divisor_override
                                 : double(counted_of(p, 0, a) * counted_of(p, 1, b) * counted_of(p, 2, c));
      sum += element<T>(dy, p.dtype, output) / T(divisor);
    });
    put(dx, p.dtype, i, sum);
  }
}

}  // namespace kernels

void max_pool(const cpu::Pooling& pooling, const void* x, void* y, int64_t* indices) {
  const PoolPlan plan = plan_of(pooling, "max_pool");
  if (plan.outputs == 0) return;
  visit_row_type(plan.dtype, [&]<class T>() {
    kernels::max_pool<T>
        <<<blocks_for(plan.outputs), block_threads, 0, runtime().stream_in_use()>>>(plan, x, y, indices);
  });
  check_launch("max_pool");
}

void max_pool_backward(const cpu::Pooling& pooling, const void* dy, const int64_t* indices, void* dx) {
  const PoolPlan plan = plan_of(pooling, "max_pool_backward");
  if (plan.inputs == 0) return;
  visit_row_type(plan.dtype, [&]<class T>() {
    kernels::max_pool_backward<T>
        <<<blocks_for(plan.inputs), block_threads, 0, runtime().stream_in_use()>>>(plan, dy, indices, dx);
  });
  check_launch("max_pool_backward");
}

void average_pool(const cpu::Pooling& pooling, const void* x, void* y) {
  const PoolPlan plan = plan_of(pooling, "average_pool");
  if (plan.outputs == 0) return;
  visit_row_type(plan.dtype, [&]<class T>() {
    kernels::average_pool<T>
        <<<blocks_for(plan.outputs), block_threads, 0, runtime().stream_in_use()>>>(plan, x, y);
  });
  check_launch("average_pool");
}

void average_pool_backward(const cpu::Pooling& pooling, const void* dy, void* dx) {
  const PoolPlan plan = plan_of(pooling, "average_pool_backward");
  if (plan.inputs == 0) return;
  visit_row_type(plan.dtype, [&]<class T>() {
    kernels::average_pool_backward<T>
        <<<blocks_for(plan.inputs), block_threads, 0, runtime().stream_in_use()>>>(plan, dy, dx);
  });
  check_launch("average_pool_backward");
}

}  // namespace taper::cuda
