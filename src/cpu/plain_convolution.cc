// Convolution as a matrix product of unfolded windows: for float64, and for what oneDNN has no kernel.
#include <algorithm>
#include <cstring>

#include "cpu/convolution_paths.h"
#include "cpu/gemm.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

/// Always three spatial dimensions, with the strides of the activations.
struct Plan {
  int64 input[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, output[3] = {1, 1, 1};
  int64 stride[3] = {1, 1, 1}, padding[3] = {}, dilation[3] = {1, 1, 1};
  int64 channels, out_channels;  // of one group
  int64 taps, positions, plane;
  int64 x_image, x_channel, x_position, y_image, y_channel, y_position;
  int64 block;  // output positions unfolded at a time
  bool channels_last;

  explicit Plan(const Convolution& c)
      : channels(c.in_channels / c.groups),
        out_channels(c.out_channels / c.groups),
        channels_last(c.channels_last) {
    for (int i = 0, at = 3 - c.spatial_dims; i < c.spatial_dims; ++i, ++at) {
      input[at] = c.input[i], kernel[at] = c.kernel[i], output[at] = c.output[i];
      stride[at] = c.stride[i], padding[at] = c.padding_before[i], dilation[at] = c.dilation[i];
    }
    taps = kernel[0] * kernel[1] * kernel[2];
    plane = input[0] * input[1] * input[2];
    positions = output[0] * output[1] * output[2];
    x_image = plane * c.in_channels, y_image = positions * c.out_channels;
    x_channel = channels_last ? 1 : plane, x_position = channels_last ? c.in_channels : 1;
    y_channel = channels_last ? 1 : positions, y_position = channels_last ? c.out_channels : 1;
    constexpr int64 block_elements = 1 << 18;  // 2 MiB of float64: stays in the second-level cache
    block =
        std::clamp(block_elements / std::max(rows(), int64(1)), int64(16), std::max(positions, int64(16)));
  }
  int64 rows() const { return channels * taps; }
};

/// Calls f(row, column, offset in x) for each tap of the windows of output positions [begin, end) that lies
/// inside.
template <class F>
void for_each_tap(const Plan& p, int64 begin, int64 end, F&& f) {
  for (int64 row = 0; row < p.rows(); ++row) {
    const int64 tap = row % p.taps, channel = row / p.taps;
    const int64 k2 = tap % p.kernel[2], k1 = tap / p.kernel[2] % p.kernel[1],
                k0 = tap / p.kernel[2] / p.kernel[1];
    for (int64 at = begin; at < end; ++at) {
      const int64 o2 = at % p.output[2], o1 = at / p.output[2] % p.output[1],
                  o0 = at / p.output[2] / p.output[1];
      const int64 i0 = o0 * p.stride[0] - p.padding[0] + k0 * p.dilation[0];
      const int64 i1 = o1 * p.stride[1] - p.padding[1] + k1 * p.dilation[1];
      const int64 i2 = o2 * p.stride[2] - p.padding[2] + k2 * p.dilation[2];
      const bool inside =
          i0 >= 0 && i0 < p.input[0] && i1 >= 0 && i1 < p.input[1] && i2 >= 0 && i2 < p.input[2];
      if (inside)
        f(row, at - begin, channel * p.x_channel + ((i0 * p.input[1] + i1) * p.input[2] + i2) * p.x_position);
    }
  }
}

template <class T>
void unfold(const Plan& p, const T* x, int64 begin, int64 end, T* columns) {
  const int64 width = end - begin;
  std::fill(columns, columns + p.rows() * width, T(0));
  for_each_tap(p, begin, end,
               [&](int64 row, int64 at, int64 offset) { columns[row * width + at] = x[offset]; });
}

template <class T>
void fold_add(const Plan& p, const T* columns, int64 begin, int64 end, T* dx) {
  const int64 width = end - begin;
  for_each_tap(p, begin, end,
               [&](int64 row, int64 at, int64 offset) { dx[offset] += columns[row * width + at]; });
}

/// C [m, n] = op(A) op(B) + beta C, row-major.
template <class T>
void product(bool transpose_a, bool transpose_b, int64 m, int64 n, int64 k, const T* a, int64 lda, const T* b,
             int64 ldb, double beta, T* c, int64 ldc) {
  constexpr DType dtype = sizeof(T) == 8 ? DType::float64 : DType::float32;
  gemm(dtype, transpose_a, transpose_b, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}

template <class T>
void forward(const Convolution& c, const T* x, const T* w, const T* bias, T* y) {
  const Plan p(c);
  parallel_for(c.batch * c.groups, 1, [&](int64 begin, int64 end) {
    Scratch<T> columns(std::size_t(p.rows() * p.block));
    for (int64 task = begin; task < end; ++task) {
      const int64 image = task / c.groups, group = task % c.groups;
      const T* x_group = x + image * p.x_image + group * p.channels * p.x_channel;
      const T* w_group = w + group * p.out_channels * p.rows();
      T* y_group = y + image * p.y_image + group * p.out_channels * p.y_channel;
      for (int64 from = 0; from < p.positions; from += p.block) {
        const int64 to = std::min(from + p.block, p.positions), width = to - from;
        unfold(p, x_group, from, to, columns.data());
        T* y_block = y_group + from * p.y_position;
        if (p.channels_last)
          product<T>(true, true, width, p.out_channels, p.rows(), columns.data(), width, w_group, p.rows(), 0,
                     y_block, p.y_position);
        else
          product<T>(false, false, p.out_channels, width, p.rows(), w_group, p.rows(), columns.data(), width,
                     0, y_block, p.y_channel);
      }
      if (!bias) continue;
      for (int64 channel = 0; channel < p.out_channels; ++channel)
        for (int64 at = 0; at < p.positions; ++at)
          y_group[channel * p.y_channel + at * p.y_position] += bias[group * p.out_channels + channel];
    }
  });
}

template <class T>
void backward_input(const Convolution& c, const T* dy, const T* w, T* dx) {
  const Plan p(c);
  std::fill(dx, dx + c.batch * p.x_image, T(0));
  parallel_for(c.batch * c.groups, 1, [&](int64 begin, int64 end) {
    Scratch<T> columns(std::size_t(p.rows() * p.block));
    for (int64 task = begin; task < end; ++task) {
      const int64 image = task / c.groups, group = task % c.groups;
      const T* dy_group = dy + image * p.y_image + group * p.out_channels * p.y_channel;
      const T* w_group = w + group * p.out_channels * p.rows();
      T* dx_group = dx + image * p.x_image + group * p.channels * p.x_channel;
      for (int64 from = 0; from < p.positions; from += p.block) {
        const int64 to = std::min(from + p.block, p.positions), width = to - from;
        product<T>(true, p.channels_last, p.rows(), width, p.out_channels, w_group, p.rows(),
                   dy_group + from * p.y_position, p.channels_last ? p.y_position : p.y_channel, 0,
                   columns.data(), width);
        fold_add(p, columns.data(), from, to, dx_group);
      }
    }
  });
}

/// dw and dbias of one group over images [first, last), added to what is there.
template <class T>
void add_weight_gradient(const Plan& p, int64 group, int64 first, int64 last, const T* x, const T* dy, T* dw,
                         T* dbias) {
  Scratch<T> columns(std::size_t(p.rows() * p.block));
  for (int64 image = first; image < last; ++image) {
    const T* x_group = x + image * p.x_image + group * p.channels * p.x_channel;
    const T* dy_group = dy + image * p.y_image + group * p.out_channels * p.y_channel;
    for (int64 from = 0; from < p.positions; from += p.block) {
      const int64 to = std::min(from + p.block, p.positions), width = to - from;
      unfold(p, x_group, from, to, columns.data());
      product<T>(p.channels_last, true, p.out_channels, p.rows(), width, dy_group + from * p.y_position,
                 p.channels_last ? p.y_position : p.y_channel, columns.data(), width, 1, dw, p.rows());
    }
    if (!dbias) continue;
    for (int64 channel = 0; channel < p.out_channels; ++channel)
      for (int64 at = 0; at < p.positions; ++at)
        dbias[channel] += dy_group[channel * p.y_channel + at * p.y_position];
  }
}

template <class T>
void backward_weight(const Convolution& c, const T* x, const T* dy, T* dw, T* dbias) {
  const Plan p(c);
  const int64 runs = std::min(c.batch, int64(8)), weights = c.out_channels * p.rows(),
              row = weights + c.out_channels;
  Scratch<T> partial(std::size_t(runs * row));
  std::fill(partial.data(), partial.data() + runs * row, T(0));
  parallel_for(runs * c.groups, 1, [&](int64 begin, int64 end) {
    for (int64 task = begin; task < end; ++task) {
      const int64 run = task / c.groups, group = task % c.groups;
      T* dw_run = partial.data() + run * row;
      T* dbias_run = dbias ? dw_run + weights + group * p.out_channels : nullptr;
      add_weight_gradient(p, group, c.batch * run / runs, c.batch * (run + 1) / runs, x, dy,
                          dw_run + group * p.out_channels * p.rows(), dbias_run);
    }
  });
  const auto sum = [&](int64 offset, int64 count, T* total) {
    std::fill(total, total + count, T(0));
    for (int64 run = 0; run < runs; ++run)
      for (int64 i = 0; i < count; ++i) total[i] += partial[std::size_t(run * row + offset + i)];
  };
  sum(0, weights, dw);
  if (dbias) sum(weights, c.out_channels, dbias);
}

template <class F>
void with_type(DType dtype, F&& f) {
  if (dtype == DType::float64) f(double());
  else f(float());
}

}  // namespace

void plain_convolution_forward(const Convolution& c, const void* x, const void* w, const void* bias,
                               void* y) {
  with_type(c.dtype, [&]<class T>(T) {
    forward(c, static_cast<const T*>(x), static_cast<const T*>(w), static_cast<const T*>(bias),
            static_cast<T*>(y));
  });
}

void plain_convolution_backward_input(const Convolution& c, const void* dy, const void* w, void* dx) {
  with_type(c.dtype, [&]<class T>(T) {
    backward_input(c, static_cast<const T*>(dy), static_cast<const T*>(w), static_cast<T*>(dx));
  });
}

void plain_convolution_backward_weight(const Convolution& c, const void* x, const void* dy, void* dw,
                                       void* dbias) {
  with_type(c.dtype, [&]<class T>(T) {
    backward_weight(c, static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dw),
                    static_cast<T*>(dbias));
  });
}

}  // namespace taper::cpu
