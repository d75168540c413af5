// Convolution against the seven loops of its definition, in double.
#include "cpu/convolution.h"

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;

Convolution make(std::vector<int64> input, std::vector<int64> kernel, int64 batch, int64 in, int64 out,
                 int64 groups, int64 stride, int64 padding, int64 dilation) {
  Convolution c;
  c.spatial_dims = int(input.size());
  c.batch = batch, c.in_channels = in, c.out_channels = out, c.groups = groups;
  for (std::size_t i = 0; i < input.size(); ++i) {
    c.input[i] = input[i], c.kernel[i] = kernel[i], c.stride[i] = stride, c.dilation[i] = dilation;
    c.padding_before[i] = c.padding_after[i] = padding;
    c.output[i] = (input[i] + 2 * padding - dilation * (kernel[i] - 1) - 1) / stride + 1;
  }
  return c;
}

std::vector<Convolution> samples() {
  return {
      make({9, 7}, {3, 3}, 3, 8, 16, 1, 1, 1, 1),
      make({28, 28}, {3, 3}, 5, 1, 32, 1, 1, 0, 1),
      make({13, 13}, {3, 3}, 9, 32, 64, 1, 1, 0, 1),
      make({10, 11}, {5, 3}, 2, 3, 5, 1, 2, 2, 1),
      make({12, 12}, {3, 3}, 2, 6, 6, 6, 1, 1, 1),
      make({12, 12}, {3, 3}, 2, 6, 12, 6, 2, 1, 1),
      make({12, 12}, {3, 3}, 2, 8, 12, 4, 1, 2, 2),
      make({7, 7}, {1, 1}, 3, 20, 10, 1, 1, 0, 1),
      make({8, 9}, {1, 1}, 2, 4, 7, 1, 2, 0, 1),
      make({33}, {5}, 4, 6, 9, 1, 2, 2, 1),
      make({17}, {3}, 2, 4, 4, 4, 1, 0, 2),
      make({5, 6, 7}, {3, 2, 3}, 2, 3, 4, 1, 1, 1, 1),
      make({6, 6, 6}, {3, 3, 3}, 1, 4, 6, 2, 2, 1, 1),
      make({16, 10}, {3, 3}, 1, 12, 20, 1, 1, 1, 1),
      make({65, 20}, {7, 7}, 1, 3, 64, 1, 2, 3, 1),
      make({3, 3}, {3, 3}, 18, 8, 192, 1, 1, 1, 1),
      make({2, 2}, {3, 3}, 1, 2, 2, 1, 1, 6, 1),
      make({9, 12}, {3, 3}, 2, 48, 64, 1, 1, 1, 1),
      make({10, 9}, {3, 3}, 1, 64, 32, 1, 1, 0, 1),
      make({8, 8}, {3, 3}, 1, 32, 80, 1, 1, 2, 1),
      make({5, 4}, {3, 3}, 1, 32, 72, 1, 1, 1, 1),
      make({20}, {8}, 2, 40, 64, 1, 2, 2, 1),
      make({1, 1}, {1, 1}, 1, 1, 1, 1, 1, 0, 1),
      make({12, 9}, {3, 3}, 3, 16, 16, 16, 1, 1, 1),
      make({14, 13}, {3, 3}, 2, 32, 32, 32, 2, 1, 1),
      make({9, 17}, {5, 3}, 2, 41, 41, 41, 1, 2, 2),
      make({11, 10}, {7, 7}, 1, 48, 48, 48, 3, 3, 1),
      make({23}, {4}, 3, 24, 24, 24, 2, 1, 1),
      make({5, 6, 7}, {3, 2, 3}, 2, 20, 20, 20, 2, 1, 1),
      make({3, 3}, {3, 3}, 2, 16, 16, 16, 2, 7, 1),
      make({10, 9}, {3, 3}, 2, 64, 96, 2, 1, 1, 1),
      make({9, 7}, {3, 3}, 3, 64, 64, 4, 1, 0, 1),
  };
}

int64 volume(const Convolution& c, const int64 (&sizes)[3]) {
  int64 product = 1;
  for (int i = 0; i < c.spatial_dims; ++i) product *= sizes[i];
  return product;
}

/// Calls f(x offset, w offset, y offset) for every product of the sum.
template <class F>
void for_each_product(const Convolution& c, F&& f) {
  const int64 group_in = c.in_channels / c.groups, group_out = c.out_channels / c.groups;
  const int64 planes_in = volume(c, c.input), planes_out = volume(c, c.output), taps = volume(c, c.kernel);
  for (int64 n = 0; n < c.batch; ++n)
    for (int64 o = 0; o < c.out_channels; ++o)
      for (int64 i = 0; i < group_in; ++i)
        for (int64 at = 0; at < planes_out; ++at)
          for (int64 tap = 0; tap < taps; ++tap) {
            int64 source = 0, scale = 1, rest_at = at, rest_tap = tap;
            bool inside = true;
            for (int d = c.spatial_dims - 1; d >= 0; --d) {
              const int64 p = rest_at % c.output[d] * c.stride[d] - c.padding_before[d] +
                              rest_tap % c.kernel[d] * c.dilation[d];
              rest_at /= c.output[d], rest_tap /= c.kernel[d];
              inside &= p >= 0 && p < c.input[d];
              source += p * scale, scale *= c.input[d];
            }
            if (!inside) continue;
            const int64 channel = o / group_out * group_in + i;
            const int64 x = c.channels_last ? (n * planes_in + source) * c.in_channels + channel
                                            : (n * c.in_channels + channel) * planes_in + source;
            const int64 y = c.channels_last ? (n * planes_out + at) * c.out_channels + o
                                            : (n * c.out_channels + o) * planes_out + at;
            f(x, (o * group_in + i) * taps + tap, y);
          }
}

int64 channel_of(const Convolution& c, int64 y) {
  return c.channels_last ? y % c.out_channels : y / volume(c, c.output) % c.out_channels;
}

struct Data {
  Array x, w, bias, dy;
  explicit Data(const Convolution& c)
      : x(Array::uniform(c.dtype, c.batch * c.in_channels * volume(c, c.input), -1, 1, 1)),
        w(Array::uniform(c.dtype, c.out_channels * (c.in_channels / c.groups) * volume(c, c.kernel), -1, 1,
                         2)),
        bias(Array::uniform(c.dtype, c.out_channels, -1, 1, 3)),
        dy(Array::uniform(c.dtype, c.batch * c.out_channels * volume(c, c.output), -1, 1, 4)) {}
};

std::vector<Array> run(const Convolution& c, const Data& data) {
  Array y(c.dtype, data.dy.size(), 77), dx(c.dtype, data.x.size(), 77), dw(c.dtype, data.w.size(), 77);
  Array dbias(c.dtype, c.out_channels, 77);
  convolution_forward(c, data.x.data(), data.w.data(), data.bias.data(), y.data());
  convolution_backward_input(c, data.dy.data(), data.w.data(), dx.data());
  convolution_backward_weight(c, data.x.data(), data.dy.data(), dw.data(), dbias.data());
  return {y, dx, dw, dbias};
}

void compare(const Convolution& c) {
  const Data data(c);
  std::vector<double> y(std::size_t(data.dy.size())), dx(std::size_t(data.x.size())),
      dw(std::size_t(data.w.size()));
  std::vector<double> dbias(std::size_t(c.out_channels));
  for (int64 i = 0; i < data.dy.size(); ++i) {
    y[std::size_t(i)] = data.bias[channel_of(c, i)];
    dbias[std::size_t(channel_of(c, i))] += data.dy[i];
  }
  const std::vector<double> x_values = data.x.values(), w_values = data.w.values(),
                            dy_values = data.dy.values();
  for_each_product(c, [&](int64 at_x, int64 at_w, int64 at_y) {
    const auto i = std::size_t(at_x), j = std::size_t(at_w), k = std::size_t(at_y);
    y[k] += x_values[i] * w_values[j];
    dx[i] += dy_values[k] * w_values[j];
    dw[j] += dy_values[k] * x_values[i];
  });
  const std::vector<Array> results = run(c, data);
  // Of the order of the sum of the terms' magnitudes, to which rounding errors are proportional.
  const double inputs = double(c.in_channels / c.groups * volume(c, c.kernel)) / 4;
  const double outputs = double(c.out_channels / c.groups * volume(c, c.kernel)) / 4;
  const double positions = double(data.dy.size() / c.out_channels) / 4;
  expect_close(results[0], y, 8, 1 + inputs, "y");
  expect_close(results[1], dx, 8, 1 + outputs, "dx");
  expect_close(results[2], dw, 8, 1 + positions, "dw");
  expect_close(results[3], dbias, 8, 1 + positions, "dbias");
}

TEST(ConvolutionKernels, EqualTheirDefinition) {
  for (Convolution c : samples())
    for (const DType dtype : floating_types)
      for (const bool channels_last : {false, true}) {
        c.dtype = dtype, c.channels_last = channels_last;
        SCOPED_TRACE(concat("batch ", c.batch, ", channels ", c.in_channels, " to ", c.out_channels,
                            ", input ", c.input[0], ", ", dtype, channels_last ? ", channels last" : ""));
        compare(c);
        if (::testing::Test::HasFatalFailure()) return;
      }
}

/// Large enough to be split: the first by rows of the output, the second by output channels.
std::vector<Convolution> large_samples() {
  return {make({48, 40}, {3, 3}, 1, 24, 40, 1, 1, 1, 1), make({16, 16}, {3, 3}, 2, 56, 136, 1, 1, 1, 1)};
}

TEST(ConvolutionKernels, EqualTheirDefinitionWhenSplit) {
  for (Convolution c : large_samples())
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      c.dtype = dtype, c.channels_last = dtype == DType::float32;
      compare(c);
    }
}

TEST(ConvolutionKernels, AreTheSameForAnyNumberOfThreads) {
  std::vector<Convolution> all = samples();
  for (const Convolution& c : large_samples()) all.push_back(c);
  for (Convolution c : all)
    for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
      c.dtype = dtype;
      const Data data(c);
      expect_same_for_threads([&] { return run(c, data); });
    }
}

/// The forward of a transposed convolution with output_padding 1.
TEST(ConvolutionKernels, InputGradientReachesPaddedSizes) {
  for (const DType dtype : floating_types) {
    Convolution c = make({9, 9}, {3, 3}, 2, 4, 6, 1, 2, 1, 1);
    c.dtype = dtype;
    for (int i = 0; i < 2; ++i) c.input[i] = 10;
    compare(c);
  }
}

/// Filtering by tiles would spread it over its tile.
TEST(ConvolutionKernels, InfinityReachesItsWindowsOnly) {
  const Convolution c = make({8, 8}, {3, 3}, 1, 32, 32, 1, 1, 1, 1);
  Data data(c);
  const int64 row = 3, column = 4, channel = 5;
  data.x.set((row * 8 + column) * 32 + channel, INFINITY);
  data.dy.set((row * 8 + column) * 32 + channel, -INFINITY);
  const std::vector<Array> results = run(c, data);
  for (int64 i = 0; i < results[0].size(); ++i) {
    const int64 y = i / 32 / 8, x = i / 32 % 8;
    const bool near = std::abs(y - row) <= 1 && std::abs(x - column) <= 1;
    EXPECT_EQ(std::isinf(results[0][i]), near) << i;
    EXPECT_EQ(std::isinf(results[1][i]), near) << i;
  }
  for (int64 i = 0; i < results[2].size(); ++i) {
    const bool reached = i / 9 / 32 == channel || i / 9 % 32 == channel;
    EXPECT_EQ(std::isfinite(results[2][i]), !reached) << i;
  }
}

TEST(ConvolutionKernels, TakeZeroSizes) {
  Convolution c = make({4, 4}, {3, 3}, 2, 0, 3, 1, 1, 1, 1);
  Data data(c);
  Array y(c.dtype, data.dy.size(), 7);
  convolution_forward(c, data.x.data(), data.w.data(), data.bias.data(), y.data());
  for (int64 i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], data.bias[i % 3]);
  run(c, data);
  c = make({4, 4}, {3, 3}, 0, 2, 3, 1, 1, 1, 1);
  const std::vector<Array> results = run(c, Data(c));
  for (int64 i = 0; i < results[2].size(); ++i) EXPECT_EQ(results[2][i], 0);
  for (int64 i = 0; i < 3; ++i) EXPECT_EQ(results[3][i], 0);
}

TEST(ConvolutionKernels, RefuseSizesThatContradict) {
  Convolution c = make({4, 4}, {3, 3}, 1, 2, 3, 1, 1, 0, 1);
  c.output[1] = 3;
  EXPECT_THROW(convolution_forward(c, nullptr, nullptr, nullptr, nullptr), ShapeError);
  c.output[1] = 2, c.groups = 2;
  EXPECT_THROW(convolution_forward(c, nullptr, nullptr, nullptr, nullptr), ShapeError);
}

}  // namespace
}  // namespace taper::cpu
