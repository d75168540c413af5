// Convolution by cuDNN where it is there; else as a matrix product whose operands are gathered while it runs
// (implicit GEMM): in tiles in shared memory, or, where groups are narrower than a tile, by a thread for each
// result.
#include "cuda/convolution.h"

#include "cuda/cudnn_convolution.h"
#include "cuda/element.cuh"
#include "cuda/reduce.h"

namespace taper::cuda {

namespace {

/// A convolution with three spatial dimensions always, the first ones of size 1; steps in elements.
struct ConvolutionPlan {
  DType dtype;
  int batch, groups, group_in, group_out, plane_in, plane_out, window;
  int64_t x_image, x_channel, x_position, y_image, y_channel, y_position;
  int input[3], output[3], kernel[3], stride[3], padding[3], dilation[3];
};

/// Kernels count in 32 bits, as 64-bit division is slow on devices; a tile more than there is must fit.
int narrow(int64_t size) {
  constexpr int64_t most = INT32_MAX - (1 << 16);
  check<ShapeError>(size <= most, "convolution: on CUDA images, positions and channels are counted up to ",
                    most, ", got ", size, "; split the batch");
  return int(size);
}

ConvolutionPlan plan_of(const cpu::Convolution& c) {
  ConvolutionPlan plan{};
  plan.dtype = c.dtype;
  plan.batch = narrow(c.batch), plan.groups = narrow(c.groups);
  plan.group_in = narrow(c.in_channels / c.groups), plan.group_out = narrow(c.out_channels / c.groups);
  int64_t plane_in = 1, plane_out = 1, window = 1;
  for (int at = 0; at < 3; ++at) {
    const int i = at - (3 - c.spatial_dims);
    plan.input[at] = i < 0 ? 1 : narrow(c.input[i]), plan.output[at] = i < 0 ? 1 : narrow(c.output[i]);
    plan.kernel[at] = i < 0 ? 1 : narrow(c.kernel[i]), plan.stride[at] = i < 0 ? 1 : narrow(c.stride[i]);
    plan.padding[at] = i < 0 ? 0 : narrow(c.padding_before[i]);
    plan.dilation[at] = i < 0 ? 1 : narrow(c.dilation[i]);
    if (i >= 0) narrow(c.input[i] + c.padding_before[i] + c.padding_after[i]);
    plane_in *= plan.input[at], plane_out *= plan.output[at], window *= plan.kernel[at];
  }
  plan.plane_in = narrow(plane_in), plan.plane_out = narrow(plane_out), plan.window = narrow(window);
  for (const int64_t size : {c.batch * plane_in, c.batch * plane_out, window * c.in_channels / c.groups,
                             window * c.out_channels / c.groups})
    narrow(size);
  plan.x_image = c.in_channels * plan.plane_in, plan.y_image = c.out_channels * plan.plane_out;
  plan.x_channel = c.channels_last ? 1 : plan.plane_in, plan.x_position = c.channels_last ? c.in_channels : 1;
  plan.y_channel = c.channels_last ? 1 : plan.plane_out,
  plan.y_position = c.channels_last ? c.out_channels : 1;
  return plan;
}

}  // namespace

namespace kernels {

/// A position in an image, or of an element in a window.
struct Place {
  int at[3];
};
__device__ __forceinline__ Place place_of(int i, const int (&sizes)[3]) {
  return {{i / sizes[2] / sizes[1], i / sizes[2] % sizes[1], i % sizes[2]}};
}

/// Where the input is that element `within` of the window of output `from` looks at, or -1 for padding.
__device__ __forceinline__ int input_at(const ConvolutionPlan& c, const Place& from, const Place& within) {
  int position = 0;
  bool inside = true;
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const int at = from.at[d] * c.stride[d] - c.padding[d] + within.at[d] * c.dilation[d];
    inside = inside && at >= 0 && at < c.input[d];
    position = position * c.input[d] + at;
  }
  return inside ? position : -1;
}

/// Where the output is whose window has input `from` as its element `within`, or -1 if there is none.
__device__ __forceinline__ int output_at(const ConvolutionPlan& c, const Place& from, const Place& within) {
  int position = 0;
  bool inside = true;
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const int far = from.at[d] + c.padding[d] - within.at[d] * c.dilation[d];
    const int at = far / c.stride[d];
    inside = inside && far >= 0 && far == at * c.stride[d] && at < c.output[d];
    position = position * c.output[d] + at;
  }
  return inside ? position : -1;
}

/// Rows, inner places and columns of the products whose result is an image.
struct ImageRow {
  int image;
  Place place;
};
__device__ __forceinline__ ImageRow image_row(int i, int plane, const int (&sizes)[3]) {
  return {i / plane, place_of(i % plane, sizes)};
}
struct WindowElement {
  int channel, element;
  Place place;
};
__device__ __forceinline__ WindowElement window_element(int i, int channels, const int (&kernel)[3]) {
  return {i % channels, i / channels, place_of(i / channels, kernel)};
}
struct Channel {
  int channel;
};

// The three products, in each group of channels: result(row, column) = sum over inner of left * right.
// inner_fastest: neighbours in the inner dimension are neighbours in channels-last memory.

/// y: rows are outputs, columns output channels; inner is an element of the window, then a channel.
template <class T>
struct Forward {
  using Value = T;
  static constexpr bool inner_fastest = true;
  ConvolutionPlan c;
  const void *x, *w, *bias;
  void* y;

  int row_count() const { return c.batch * c.plane_out; }
  int column_count() const { return c.group_out; }
  int inner_size() const { return c.window * c.group_in; }

  using Row = ImageRow;
  using Inner = WindowElement;
  using Column = Channel;
  __device__ Row row(int i) const { return image_row(i, c.plane_out, c.output); }
  __device__ Inner inner(int i) const { return window_element(i, c.group_in, c.kernel); }
  __device__ Column column(int i) const { return {i}; }
  __device__ T left(const Row& row, const Inner& k, int group) const {
    const int position = input_at(c, row.place, k.place);
    if (position < 0) return 0;
    const int channel = group * c.group_in + k.channel;
    return element<T>(x, c.dtype, row.image * c.x_image + channel * c.x_channel + position * c.x_position);
  }
  __device__ T right(const Inner& k, const Column& column, int group) const {
    const int channel = group * c.group_out + column.channel;
    return element<T>(w, c.dtype, (int64_t(channel) * c.group_in + k.channel) * c.window + k.element);
  }
  __device__ void finish(int row, int column, int group, int, T sum) const {
    const int channel = group * c.group_out + column;
    if (bias) sum += element<T>(bias, c.dtype, channel);
    const int image = row / c.plane_out, position = row % c.plane_out;
    put(y, c.dtype, image * c.y_image + channel * c.y_channel + position * c.y_position, sum);
  }
};

/// dx: rows are inputs, columns input channels; inner is an element of the window, then an output channel.
template <class T>
struct BackwardInput {
  using Value = T;
  static constexpr bool inner_fastest = true;
  ConvolutionPlan c;
  const void *dy, *w;
  void* dx;

  int row_count() const { return c.batch * c.plane_in; }
  int column_count() const { return c.group_in; }
  int inner_size() const { return c.window * c.group_out; }

  using Row = ImageRow;
  using Inner = WindowElement;
  using Column = Channel;
  __device__ Row row(int i) const { return image_row(i, c.plane_in, c.input); }
  __device__ Inner inner(int i) const { return window_element(i, c.group_out, c.kernel); }
  __device__ Column column(int i) const { return {i}; }
  __device__ T left(const Row& row, const Inner& k, int group) const {
    const int position = output_at(c, row.place, k.place);
    if (position < 0) return 0;
    const int channel = group * c.group_out + k.channel;
    return element<T>(dy, c.dtype, row.image * c.y_image + channel * c.y_channel + position * c.y_position);
  }
  __device__ T right(const Inner& k, const Column& column, int group) const {
    const int channel = group * c.group_out + k.channel;
    return element<T>(w, c.dtype, (int64_t(channel) * c.group_in + column.channel) * c.window + k.element);
  }
  __device__ void finish(int row, int column, int group, int, T sum) const {
    const int channel = group * c.group_in + column;
    const int image = row / c.plane_in, position = row % c.plane_in;
    put(dx, c.dtype, image * c.x_image + channel * c.x_channel + position * c.x_position, sum);
  }
};

/// dw: rows are output channels, columns an element of the window, then an input channel; inner is an output.
template <class T>
struct BackwardWeight {
  using Value = T;
  static constexpr bool inner_fastest = false;
  ConvolutionPlan c;
  const void *x, *dy;
  void* dw;
  T* parts;  ///< [slices, dw...], instead of dw

  int row_count() const { return c.group_out; }
  int column_count() const { return c.window * c.group_in; }
  int inner_size() const { return c.batch * c.plane_out; }

  struct Row {
    int channel;
  };
  struct Inner {
    int image, position;
    Place place;
  };
  struct Column {
    int channel;
    Place place;
  };
  __device__ Row row(int i) const { return {i}; }
  __device__ Inner inner(int i) const {
    return {i / c.plane_out, i % c.plane_out, place_of(i % c.plane_out, c.output)};
  }
  __device__ Column column(int i) const { return {i % c.group_in, place_of(i / c.group_in, c.kernel)}; }
  __device__ T left(const Row& row, const Inner& k, int group) const {
    const int channel = group * c.group_out + row.channel;
    return element<T>(dy, c.dtype, k.image * c.y_image + channel * c.y_channel + k.position * c.y_position);
  }
  __device__ T right(const Inner& k, const Column& column, int group) const {
    const int position = input_at(c, k.place, column.place);
    if (position < 0) return 0;
    const int channel = group * c.group_in + column.channel;
    return element<T>(x, c.dtype, k.image * c.x_image + channel * c.x_channel + position * c.x_position);
  }
  __device__ void finish(int row, int column, int group, int slice, T sum) const {
    const int out = group * c.group_out + row, in = column % c.group_in, at = column / c.group_in;
    const int64_t i = (int64_t(out) * c.group_in + in) * c.window + at;
    if (parts) parts[int64_t(slice) * c.groups * c.group_out * c.group_in * c.window + i] = sum;
    else put(dw, c.dtype, i, sum);
  }
};

/// Sizes of a product of a group, and the slices into which its inner dimension is cut.
struct Tiling {
  int rows, columns, inner, groups, slices, slice_inner, row_tiles, column_tiles;
};

constexpr int tile = 64, depth = 16, side = 16, per_thread = tile / side;
static_assert(side * side == block_threads && tile * depth == per_thread * block_threads);

/// Which elements of a tile [depth, tile] a thread loads: per_thread of them, of one inner place or one row.
template <bool inner_fastest>
struct Loaded {
  static constexpr int rows = inner_fastest ? per_thread : 1, inners = inner_fastest ? 1 : per_thread;
  static __device__ int row(int slot) {
    return inner_fastest ? slot * (block_threads / depth) + int(threadIdx.x) / depth
                         : int(threadIdx.x) % tile;
  }
  static __device__ int inner(int slot) {
    return inner_fastest ? int(threadIdx.x) % depth : slot * (block_threads / tile) + int(threadIdx.x) / tile;
  }
};

template <class P>
__global__ void __launch_bounds__(block_threads) tiled_product(const __grid_constant__ P p, const Tiling t) {
  using T = typename P::Value;
  using Slots = Loaded<P::inner_fastest>;
  __shared__ T left[depth][tile + 2], right[depth][tile + 2];
  const int row_tile = blockIdx.x % t.row_tiles, column_tile = blockIdx.x / t.row_tiles % t.column_tiles;
  const int rest = blockIdx.x / t.row_tiles / t.column_tiles, group = rest % t.groups,
            slice = rest / t.groups;
  const int first_row = row_tile * tile, first_column = column_tile * tile;
  const int begin = slice * t.slice_inner,
            end = begin + t.slice_inner < t.inner ? begin + t.slice_inner : t.inner;
  typename P::Row rows[Slots::rows];
  typename P::Column columns[Slots::rows];
#pragma unroll
  for (int slot = 0; slot < Slots::rows; ++slot) {
    rows[slot] = p.row(first_row + Slots::row(slot));
    columns[slot] = p.column(first_column + Slots::row(slot));
  }
  const int x = threadIdx.x % side, y = threadIdx.x / side;
  T sums[per_thread][per_thread] = {};
  for (int k0 = begin; k0 < end; k0 += depth) {
    typename P::Inner inner;
#pragma unroll
    for (int slot = 0; slot < per_thread; ++slot) {
      const int i = Slots::row(slot), k = Slots::inner(slot), at = slot % Slots::rows;
      if (slot < Slots::inners) inner = p.inner(k0 + k);
      const bool inside = k0 + k < end;
      left[k][i] = inside && first_row + i < t.rows ? p.left(rows[at], inner, group) : T(0);
      right[k][i] = inside && first_column + i < t.columns ? p.right(inner, columns[at], group) : T(0);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < depth; ++k)
#pragma unroll
      for (int i = 0; i < per_thread; ++i)
#pragma unroll
        for (int j = 0; j < per_thread; ++j) sums[i][j] += left[k][y + side * i] * right[k][x + side * j];
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < per_thread; ++i)
#pragma unroll
    for (int j = 0; j < per_thread; ++j) {
      const int row = first_row + y + side * i, column = first_column + x + side * j;
      if (row < t.rows && column < t.columns) p.finish(row, column, group, slice, sums[i][j]);
    }
}

/// A thread for each result; groups are neighbours, as in channels-last memory.
template <class P>
__global__ void __launch_bounds__(block_threads) direct_product(const __grid_constant__ P p, const Tiling t) {
  using T = typename P::Value;
  const int64_t results = int64_t(t.rows) * t.columns * t.groups;
  for (int64_t i = thread_number(); i < results * t.slices; i += thread_count()) {
    const int slice = int(i / results), group = int(i % t.groups);
    const int64_t at = i % results / t.groups;
    const typename P::Row row = p.row(int(at / t.columns));
    const typename P::Column column = p.column(int(at % t.columns));
    const int begin = slice * t.slice_inner,
              end = begin + t.slice_inner < t.inner ? begin + t.slice_inner : t.inner;
    T sum = 0;
    for (int k = begin; k < end; ++k) {
      const typename P::Inner inner = p.inner(k);
      sum += p.left(row, inner, group) * p.right(inner, column, group);
    }
    p.finish(int(at / t.columns), int(at % t.columns), group, slice, sum);
  }
}

__global__ void __launch_bounds__(block_threads)
    add_bias(DType dtype, int64_t count, int64_t channels, int64_t step, const void* bias, void* y) {
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const int64_t channel = i / step % channels;
    if (dtype == float64)
      put(y, dtype, i, element<double>(y, dtype, i) + element<double>(bias, dtype, channel));
    else put(y, dtype, i, element<float>(y, dtype, i) + element<float>(bias, dtype, channel));
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    add_and_relu(DType dtype, int64_t count, const void* z, void* y) {
  for (int64_t i = thread_number(); i < count; i += thread_count()) {
    const T value = element<T>(y, dtype, i) + element_or<T>(z, dtype, i, 0);
    put(y, dtype, i, value < 0 ? T(0) : value);
  }
}

}  // namespace kernels

namespace {

/// Groups of fewer channels than this would leave most of a tile empty.
constexpr int64_t narrow_group = 16;

bool is_direct(const ConvolutionPlan& c) {
  return c.groups > 1 && std::min(c.group_in, c.group_out) < narrow_group;
}

template <class P>
void run_product(const P& p, int slices, const char* op) {
  using kernels::tile;
  kernels::Tiling t{p.row_count(), p.column_count(), p.inner_size(), p.c.groups, slices, 0, 0, 0};
  t.slice_inner = (t.inner + slices - 1) / slices;
  t.row_tiles = (t.rows + tile - 1) / tile, t.column_tiles = (t.columns + tile - 1) / tile;
  if (t.rows == 0 || t.columns == 0) return;
  const cudaStream_t stream = runtime().stream_in_use();
  if (is_direct(p.c)) {
    const int blocks = blocks_for(int64_t(t.rows) * t.columns * t.groups * slices);
    kernels::direct_product<<<blocks, block_threads, 0, stream>>>(p, t);
  } else {
    const int64_t blocks = int64_t(t.row_tiles) * t.column_tiles * t.groups * slices;
    check<ShapeError>(blocks <= INT32_MAX, op, ": too large for one launch on CUDA");
    kernels::tiled_product<<<unsigned(blocks), block_threads, 0, stream>>>(p, t);
  }
  check_launch(op);
}

/// Into how many sums, each of some hundred outputs at least, the gradient of a weight is cut so that all
/// processors work on it.
int weight_slices(const ConvolutionPlan& c) {
  const int64_t columns = c.window * c.group_in, results = int64_t(c.groups) * c.group_out * columns;
  const int64_t blocks = is_direct(c) ? (results + block_threads - 1) / block_threads
                                      : c.groups * ((c.group_out + kernels::tile - 1) / kernels::tile) *
                                            ((columns + kernels::tile - 1) / kernels::tile);
  const int64_t wanted = 4 * int64_t(runtime().multi_processors(runtime().device_in_use()));
  const int64_t most = c.batch * c.plane_out / 256;
  return int(std::max<int64_t>(1, std::min(wanted / std::max<int64_t>(blocks, 1), most)));
}

template <class T>
void backward_weight(const ConvolutionPlan& c, const void* x, const void* dy, void* dw) {
  const int64_t count = int64_t(c.groups) * c.group_out * c.group_in * c.window;
  const int slices = weight_slices(c);
  if (count == 0) return;
  const Scratch parts(slices == 1 ? 0 : slices * count * int64_t(sizeof(T)));
  run_product(kernels::BackwardWeight<T>{c, x, dy, dw, slices == 1 ? nullptr : parts.data<T>()}, slices,
              "convolution_backward_weight");
  if (slices > 1)
    sum({parts.data(), sizeof(T) == 8 ? float64 : float32, {slices, count}, {count, 1}, 1, dw, c.dtype});
}

int64_t outputs_of(const cpu::Convolution& c) {
  int64_t plane = 1;
  for (int i = 0; i < c.spatial_dims; ++i) plane *= c.output[i];
  return plane;
}

/// dbias = dy summed over images and positions.
void sum_channels(const cpu::Convolution& c, const void* dy, void* dbias) {
  if (c.out_channels == 0) return;
  const int64_t plane = outputs_of(c), channel = c.channels_last ? 1 : plane,
                position = c.channels_last ? c.out_channels : 1;
  sum({dy,
       c.dtype,
       {c.batch, c.out_channels, plane},
       {c.out_channels * plane, channel, position},
       0b101,
       dbias,
       c.dtype});
}

}  // namespace

void add_bias(const cpu::Convolution& c, const void* bias, void* y) {
  const int64_t plane = outputs_of(c), count = c.batch * c.out_channels * plane;
  if (count == 0) return;
  kernels::add_bias<<<blocks_for(count), block_threads, 0, runtime().stream_in_use()>>>(
      c.dtype, count, c.out_channels, c.channels_last ? 1 : plane, bias, y);
  check_launch("convolution");
}

void convolution_forward(const cpu::Convolution& convolution, const void* x, const void* w, const void* bias,
                         void* y) {
  cpu::check_sizes(convolution);
  if (cudnn_convolution_forward(convolution, x, w, bias, y)) return;
  const ConvolutionPlan plan = plan_of(convolution);
  if (plan.dtype == float64) run_product(kernels::Forward<double>{plan, x, w, bias, y}, 1, "convolution");
  else run_product(kernels::Forward<float>{plan, x, w, bias, y}, 1, "convolution");
}

void relu(const cpu::Convolution& c, const void* z, void* y) {
  const int64_t count = c.batch * c.out_channels * outputs_of(c);
  if (count == 0) return;
  const auto kernel = c.dtype == float64 ? kernels::add_and_relu<double> : kernels::add_and_relu<float>;
  kernel<<<blocks_for(count), block_threads, 0, runtime().stream_in_use()>>>(c.dtype, count, z, y);
  check_launch("convolution");
}

void convolution_relu(const cpu::Convolution& convolution, const void* x, const void* w, const void* bias,
                      const void* z, void* y) {
  cpu::check_sizes(convolution);
  if (cudnn_convolution_relu(convolution, x, w, bias, z, y)) return;
  cuda::convolution_forward(convolution, x, w, bias, y);
  relu(convolution, z, y);
}

void convolution_backward_input(const cpu::Convolution& convolution, const void* dy, const void* w,
                                void* dx) {
  cpu::check_sizes(convolution);
  if (cudnn_convolution_backward_input(convolution, dy, w, dx)) return;
  const ConvolutionPlan plan = plan_of(convolution);
  const char* op = "convolution_backward_input";
  if (plan.dtype == float64) run_product(kernels::BackwardInput<double>{plan, dy, w, dx}, 1, op);
  else run_product(kernels::BackwardInput<float>{plan, dy, w, dx}, 1, op);
}

void convolution_backward_weight(const cpu::Convolution& convolution, const void* x, const void* dy, void* dw,
                                 void* dbias) {
  cpu::check_sizes(convolution);
  if (dbias) sum_channels(convolution, dy, dbias);
  if (cudnn_convolution_backward_weight(convolution, x, dy, dw)) return;
  const ConvolutionPlan plan = plan_of(convolution);
  if (plan.dtype == float64) backward_weight<double>(plan, x, dy, dw);
  else backward_weight<float>(plan, x, dy, dw);
}

}  // namespace taper::cuda
