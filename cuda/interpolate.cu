// Interpolation: the inputs and weights of each output are listed by dimension first, then a thread sums
// those of an output, or of an input for the gradient, so that every sum has one order. Compiled without
// contraction, so that positions between inputs are rounded as on the CPU.
#include "cuda/interpolate.h"

#include "cpu/interpolation_tap.h"
#include "cuda/block.cuh"
#include "cuda/element.cuh"

namespace taper::cuda {

namespace kernels {

/// All counted in 32 bits, as 64-bit division is slow on devices. Tap t of output o of a dimension is index[o
/// * width + t] with weight[o * width + t]; count[o] exist. Inputs of an output do not descend, and first
/// ones and last ones do not with o.
template <class T>
struct TapTable {
  int width, input, output;
  int *index, *count;
  T* weight;

  __device__ int first(int o) const { return index[o * width]; }
  __device__ int last(int o) const { return index[o * width + count[o] - 1]; }
  /// Outputs [begin, end) may have the input.
  __device__ int begin(int i) const {
    return lowest([&](int o) { return last(o) >= i; });
  }
  __device__ int end(int i) const {
    return lowest([&](int o) { return first(o) > i; });
  }
  /// The weight of input i in output o.
  __device__ T of(int o, int i) const {
    T sum = 0;
    for (int t = 0; t < count[o]; ++t) sum += index[o * width + t] == i ? weight[o * width + t] : T(0);
    return sum;
  }

 private:
  template <class F>
  __device__ int lowest(const F& holds) const {
    int low = 0, high = output;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (holds(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
};

template <class T>
struct InterpolationPlan {
  DType dtype;
  bool channels_last;
  int batch, channels, plane_in, plane_out;
  TapTable<T> taps[3];
};

/// Where a thread's element is: its image and channel, and its place in the plane.
struct ImagePlace {
  int image, channel, at[3];

  template <class P>
  __device__ ImagePlace(const P& p, int i, int plane, int height, int width) {
    int place;
    if (p.channels_last)
      channel = i % p.channels, place = i / p.channels % plane, image = i / p.channels / plane;
    else place = i % plane, channel = i / plane % p.channels, image = i / plane / p.channels;
    at[2] = place % width, at[1] = place / width % height, at[0] = place / width / height;
  }
  template <class P>
  __device__ int element(const P& p, int place, int plane) const {
    return p.channels_last ? (image * plane + place) * p.channels + channel
                           : (image * p.channels + channel) * plane + place;
  }
};

/// A dimension that does not exist has one output with one tap.
template <class T>
__global__ void __launch_bounds__(block_threads)
    list_taps(const __grid_constant__ cpu::Interpolate p, int i, const TapTable<T> table) {
  for (int o = int(thread_number()); o < table.output; o += int(thread_count())) {
    int count = 0;
    const auto add = [&](int64_t index, double weight) {
      if (count < table.width)
        table.index[o * table.width + count] = int(index), table.weight[o * table.width + count] = T(weight);
      ++count;
    };
    if (i < 0) add(0, 1);
    else cpu::each_tap(p, i, o, add);
    if (count == 0) add(table.input - 1, 0);
    table.count[o] = count < table.width ? count : table.width;
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    interpolate(const __grid_constant__ InterpolationPlan<T> p, const void* x, void* y) {
  const auto &a = p.taps[0], &b = p.taps[1], &c = p.taps[2];
  const int results = p.batch * p.channels * p.plane_out;
  for (int64_t i = thread_number(); i < results; i += thread_count()) {
    const ImagePlace out(p, int(i), p.plane_out, b.output, c.output);
    const int at_a = out.at[0] * a.width, at_b = out.at[1] * b.width, at_c = out.at[2] * c.width;
    T sum = 0;
    for (int r = 0; r < a.count[out.at[0]]; ++r)
      for (int s = 0; s < b.count[out.at[1]]; ++s) {
        const int row = (a.index[at_a + r] * b.input + b.index[at_b + s]) * c.input;
        const T weight = a.weight[at_a + r] * b.weight[at_b + s];
        for (int t = 0; t < c.count[out.at[2]]; ++t) {
          const int from = out.element(p, row + c.index[at_c + t], p.plane_in);
          sum += weight * c.weight[at_c + t] * element<T>(x, p.dtype, from);
        }
      }
    put(y, p.dtype, i, sum);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, 1)
    interpolate_backward(const __grid_constant__ InterpolationPlan<T> p, const void* dy, void* dx) {
  const auto &a = p.taps[0], &b = p.taps[1], &c = p.taps[2];
  const int results = p.batch * p.channels * p.plane_in;
  for (int64_t i = thread_number(); i < results; i += thread_count()) {
    const ImagePlace in(p, int(i), p.plane_in, b.input, c.input);
    const int end_a = a.end(in.at[0]), end_b = b.end(in.at[1]), end_c = c.end(in.at[2]);
    const int begin_b = b.begin(in.at[1]), begin_c = c.begin(in.at[2]);
    T sum = 0;
    for (int r = a.begin(in.at[0]); r < end_a; ++r)
      for (int s = begin_b; s < end_b; ++s) {
        const T weight = a.of(r, in.at[0]) * b.of(s, in.at[1]);
        for (int t = begin_c; t < end_c; ++t) {
          const int from = in.element(p, (r * b.output + s) * c.output + t, p.plane_out);
          sum += weight * c.of(t, in.at[2]) * element<T>(dy, p.dtype, from);
        }
      }
    put(dx, p.dtype, i, sum);
  }
}

}  // namespace kernels

namespace {

/// How many taps an output of spatial dimension i has at most.
int64_t most_taps(const cpu::Interpolate& p, int i) {
  if (i < 0 || p.mode < cpu::Interpolation::linear) return 1;
  const bool linear = p.mode == cpu::Interpolation::linear;
  if (!p.antialias) return linear ? 2 : 4;
  const double reach = 2 * (linear ? 1 : 2) * std::max(cpu::tap_spacing(p, i), 1.);
  return std::max<int64_t>(
      1, reach < double(p.input[i]) ? std::min(int64_t(reach) + 2, p.input[i]) : p.input[i]);
}

void check_sizes(const cpu::Interpolate& p) {
  check<DTypeError>(is_floating_point(p.dtype), "interpolate: got ", p.dtype, ", expected a floating type");
  check<ShapeError>(p.spatial_dims >= 1 && p.spatial_dims <= 3, "interpolate: has ", p.spatial_dims,
                    " spatial dimensions, expected 1 to 3");
  for (int i = 0; i < p.spatial_dims; ++i)
    check<ShapeError>(p.input[i] > 0 || p.output[i] == 0, "interpolate: spatial dimension ", i,
                      " of the input is empty");
  for (int i = 0; i < p.spatial_dims; ++i)
    check<ShapeError>(p.output[i] * most_taps(p, i) <= INT32_MAX, "interpolate: size ", p.output[i],
                      " is too large for CUDA");
}

/// The plan of an interpolation and the memory of its tables.
template <class T>
class Interpolated {
 public:
  explicit Interpolated(const cpu::Interpolate& p) : memory_(bytes(p)) {
    plan_ = {p.dtype, p.channels_last, 0, int(p.channels), 1, 1, {}};
    int64_t plane_in = 1, plane_out = 1;
    for (int i = 0; i < p.spatial_dims; ++i) plane_in *= p.input[i], plane_out *= p.output[i];
    largest_ = std::max(plane_in, plane_out) * p.channels;
    check<ShapeError>(largest_ <= INT32_MAX, "interpolate: on CUDA an image of ", largest_,
                      " elements is not supported, at most ", INT32_MAX);
    char* next = memory_.data<char>();
    for (int at = 0; at < 3; ++at) {
      const int i = at - (3 - p.spatial_dims);
      kernels::TapTable<T>& table = plan_.taps[at];
      table = {int(most_taps(p, i)),
               i < 0 ? 1 : int(p.input[i]),
               i < 0 ? 1 : int(p.output[i]),
               nullptr,
               nullptr,
               nullptr};
      plan_.plane_in *= table.input, plan_.plane_out *= table.output;
      table.weight = reinterpret_cast<T*>(next), next += 8 * int64_t(table.output) * table.width;
      table.index = reinterpret_cast<int*>(next), next += 8 * int64_t(table.output) * table.width;
      table.count = reinterpret_cast<int*>(next), next += 8 * int64_t(table.output);
      if (table.output == 0) continue;
      kernels::list_taps<<<blocks_for(table.output), block_threads, 0, runtime().stream_in_use()>>>(p, i,
                                                                                                    table);
      check_launch("interpolate");
    }
  }
  /// run(plan, first image) for as many images at a time as can be counted.
  template <class F>
  void each(int64_t batch, F&& run) {
    const int64_t most = std::max<int64_t>(1, INT32_MAX / std::max<int64_t>(1, largest_));
    for (int64_t first = 0; first < batch; first += most) {
      plan_.batch = int(std::min(most, batch - first));
      run(plan_, first);
    }
  }

 private:
  static int64_t bytes(const cpu::Interpolate& p) {
    int64_t total = 0;
    for (int i = p.spatial_dims - 3; i < p.spatial_dims; ++i)
      total += 8 * (i < 0 ? 1 : p.output[i]) * (2 * most_taps(p, i) + 1);
    return total;
  }

  Scratch memory_;
  int64_t largest_;
  kernels::InterpolationPlan<T> plan_;
};

}  // namespace

void interpolate(const cpu::Interpolate& sizes, const void* x, void* y) {
  check_sizes(sizes);
  const int64_t item = item_size(sizes.dtype);
  visit_row_type(sizes.dtype, [&]<class T>() {
    Interpolated<T>(sizes).each(sizes.batch, [&](const kernels::InterpolationPlan<T>& plan, int64_t first) {
      const int64_t image_in = int64_t(plan.channels) * plan.plane_in,
                    image_out = int64_t(plan.channels) * plan.plane_out, results = plan.batch * image_out;
      if (results == 0) return;
      kernels::interpolate<<<blocks_for(results), block_threads, 0, runtime().stream_in_use()>>>(
          plan, static_cast<const char*>(x) + first * image_in * item,
          static_cast<char*>(y) + first * image_out * item);
      check_launch("interpolate");
    });
  });
}

void interpolate_backward(const cpu::Interpolate& sizes, const void* dy, void* dx) {
  check_sizes(sizes);
  const int64_t item = item_size(sizes.dtype);
  visit_row_type(sizes.dtype, [&]<class T>() {
    Interpolated<T>(sizes).each(sizes.batch, [&](const kernels::InterpolationPlan<T>& plan, int64_t first) {
      const int64_t image_in = int64_t(plan.channels) * plan.plane_in,
                    image_out = int64_t(plan.channels) * plan.plane_out, results = plan.batch * image_in;
      if (results == 0) return;
      kernels::interpolate_backward<<<blocks_for(results), block_threads, 0, runtime().stream_in_use()>>>(
          plan, static_cast<const char*>(dy) + first * image_out * item,
          static_cast<char*>(dx) + first * image_in * item);
      check_launch("interpolate_backward");
    });
  });
}

}  // namespace taper::cuda
