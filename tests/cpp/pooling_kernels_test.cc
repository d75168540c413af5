// Pooling against its definition in double.
#include "cpu/pooling.h"

#include <limits>

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;

Pooling make(std::vector<int64> input, int64 kernel, int64 stride, int64 padding, int64 dilation,
             bool ceil = false) {
  Pooling p;
  p.spatial_dims = int(input.size()), p.batch = 2, p.channels = 5;
  for (std::size_t i = 0; i < input.size(); ++i) {
    p.input[i] = input[i], p.kernel[i] = kernel, p.stride[i] = stride, p.padding[i] = padding;
    p.dilation[i] = dilation;
    const int64 room = input[i] + 2 * padding - dilation * (kernel - 1) - 1;
    p.output[i] = (room + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (p.output[i] - 1) * stride >= input[i] + padding) --p.output[i];
  }
  return p;
}

Pooling make_adaptive(std::vector<int64> input, std::vector<int64> output) {
  Pooling p;
  p.spatial_dims = int(input.size()), p.batch = 2, p.channels = 19, p.adaptive = true;
  for (std::size_t i = 0; i < input.size(); ++i) p.input[i] = input[i], p.output[i] = output[i];
  return p;
}

Pooling with_channels(Pooling p, int64 channels) {
  p.channels = channels;
  return p;
}

std::vector<Pooling> samples() {
  return {make({8, 10}, 2, 2, 0, 1),      with_channels(make({26, 70}, 2, 2, 0, 1), 33),
          make({9, 7}, 2, 2, 0, 1),       make({9, 8}, 3, 2, 1, 1),
          make({9, 8}, 3, 2, 1, 1, true), with_channels(make({10, 11}, 3, 1, 1, 1), 80),
          make({17}, 3, 2, 1, 1),         make({6, 5, 7}, 2, 2, 1, 1),
          make_adaptive({7, 9}, {3, 4}),  with_channels(make_adaptive({14, 14}, {1, 1}), 140),
          make_adaptive({5}, {8}),        make_adaptive({4, 5, 6}, {2, 2, 3}),
          make({5, 5}, 5, 5, 2, 1, true)};
}

int64 plane(const Pooling& p, const int64 (&sizes)[3]) {
  int64 product = 1;
  for (int i = 0; i < p.spatial_dims; ++i) product *= sizes[i];
  return product;
}

struct Reading {
  int64 x, position;
};

/// The inputs of the window of output element y (as laid out in memory), and what an average divides by.
std::vector<Reading> window(const Pooling& p, int64 y, double& divisor) {
  const int64 out = plane(p, p.output), in = plane(p, p.input);
  const int64 channel = p.channels_last ? y % p.channels : y / out % p.channels;
  const int64 place = p.channels_last ? y / p.channels % out : y % out;
  const int64 image = y / (out * p.channels);
  std::vector<int64> positions{0};
  divisor = 1;
  for (int i = 0; i < p.spatial_dims; ++i) {
    int64 o = place;
    for (int j = p.spatial_dims - 1; j > i; --j) o /= p.output[j];
    o %= p.output[i];
    std::vector<int64> inside;
    int64 counted = 0;
    if (p.adaptive) {
      for (int64 k = o * p.input[i] / p.output[i]; k * p.output[i] < (o + 1) * p.input[i]; ++k)
        inside.push_back(k);
    } else {
      for (int64 k = 0; k < p.kernel[i]; ++k) {
        const int64 at = o * p.stride[i] - p.padding[i] + k * p.dilation[i];
        if (at >= 0 && at < p.input[i]) inside.push_back(at);
        counted += at < p.input[i] + p.padding[i];
      }
    }
    divisor *= double(p.adaptive || !p.count_include_pad ? int64(inside.size()) : counted);
    std::vector<int64> next;
    for (const int64 before : positions)
      for (const int64 at : inside) next.push_back(before * p.input[i] + at);
    positions = next;
  }
  if (p.divisor_override) divisor = double(p.divisor_override);
  std::vector<Reading> readings;
  for (const int64 at : positions)
    readings.push_back({p.channels_last ? (image * in + at) * p.channels + channel
                                        : (image * p.channels + channel) * in + at,
                        at});
  return readings;
}

int64 inputs(const Pooling& p) { return p.batch * p.channels * plane(p, p.input); }
int64 outputs(const Pooling& p) { return p.batch * p.channels * plane(p, p.output); }

void compare_max(const Pooling& p, bool special) {
  Array x = Array::uniform(p.dtype, inputs(p));
  if (special)
    for (int64 i = 0; i < x.size(); i += 5)
      x.set(i, i % 3 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN());
  const Array dy = Array::uniform(p.dtype, outputs(p), -1, 1, 2);
  Array y(p.dtype, outputs(p)), again = y, dx(p.dtype, x.size(), 7);
  std::vector<int64> indices(std::size_t(outputs(p)));
  max_pool(p, x.data(), y.data(), indices.data());
  max_pool(p, x.data(), again.data(), nullptr);
  max_pool_backward(p, dy.data(), indices.data(), dx.data());
  std::vector<double> want_y, want_dx(std::size_t(x.size()));
  for (int64 o = 0; o < y.size(); ++o) {
    double divisor;
    const std::vector<Reading> readings = window(p, o, divisor);
    Reading best = readings[0];
    for (const Reading& r : readings)
      if (x[r.x] > x[best.x] || std::isnan(x[r.x])) best = r;
    want_y.push_back(x[best.x]);
    EXPECT_EQ(indices[std::size_t(o)], best.position) << "output " << o;
    want_dx[std::size_t(best.x)] += dy[o];
  }
  expect_close(y, want_y, 0, 1, "y");
  expect_close(again, want_y, 0, 1, "y without indices");
  expect_close(dx, want_dx, 8, 1, "dx");
}

void compare_average(const Pooling& p) {
  const Array x = Array::uniform(p.dtype, inputs(p)), dy = Array::uniform(p.dtype, outputs(p), -1, 1, 2);
  Array y(p.dtype, outputs(p)), dx(p.dtype, x.size(), 7);
  average_pool(p, x.data(), y.data());
  average_pool_backward(p, dy.data(), dx.data());
  std::vector<double> want_y, want_dx(std::size_t(x.size()));
  for (int64 o = 0; o < y.size(); ++o) {
    double divisor, sum = 0;
    for (const Reading& r : window(p, o, divisor)) sum += x[r.x];
    for (const Reading& r : window(p, o, divisor)) want_dx[std::size_t(r.x)] += dy[o] / divisor;
    want_y.push_back(sum / divisor);
  }
  expect_close(y, want_y, 8, 1, "average");
  expect_close(dx, want_dx, 8, 1, "average dx");
}

template <class F>
void for_each_sample(F&& f) {
  for (Pooling p : samples())
    for (const DType dtype : floating_types)
      for (const bool channels_last : {false, true}) {
        p.dtype = dtype, p.channels_last = channels_last;
        SCOPED_TRACE(concat(p.channels, " channels, input ", p.input[0], ", kernel ", p.kernel[0], ", ",
                            dtype, channels_last ? ", channels last" : "", p.adaptive ? ", adaptive" : ""));
        f(p);
        if (::testing::Test::HasFatalFailure()) return;
      }
}

TEST(PoolingKernels, MaximaEqualTheirDefinition) {
  for_each_sample([](const Pooling& p) { compare_max(p, false); });
  for (const bool channels_last : {false, true}) {
    Pooling p = make({9, 11}, 3, 2, 1, 2);
    p.channels_last = channels_last;
    compare_max(p, false);
  }
}

TEST(PoolingKernels, MaximaKeepNaN) {
  for_each_sample([](const Pooling& p) { compare_max(p, true); });
}

TEST(PoolingKernels, AveragesEqualTheirDefinition) {
  for_each_sample([](Pooling p) {
    compare_average(p);
    p.count_include_pad = false;
    compare_average(p);
    p.divisor_override = 3;
    if (!p.adaptive) compare_average(p);
  });
}

TEST(PoolingKernels, AreTheSameForAnyNumberOfThreads) {
  for_each_sample([](Pooling p) {
    p.batch = 9;
    const Array x = Array::uniform(p.dtype, inputs(p)), dy = Array::uniform(p.dtype, outputs(p), -1, 1, 2);
    expect_same_for_threads([&] {
      Array y(p.dtype, outputs(p)), mean = y, dx(p.dtype, x.size(), 7), dx_mean = dx;
      std::vector<int64> indices(std::size_t(outputs(p)));
      max_pool(p, x.data(), y.data(), indices.data());
      max_pool_backward(p, dy.data(), indices.data(), dx.data());
      average_pool(p, x.data(), mean.data());
      average_pool_backward(p, dy.data(), dx_mean.data());
      return std::vector<Array>{y, mean, dx, dx_mean};
    });
  });
}

TEST(PoolingKernels, RefuseBadSizesAndIndices) {
  Pooling p = make({4, 4}, 2, 2, 0, 1);
  p.output[0] = 3;
  EXPECT_THROW(max_pool(p, nullptr, nullptr, nullptr), ShapeError);
  p.output[0] = 2;
  const Array dy(float32, outputs(p));
  Array dx(float32, inputs(p));
  const std::vector<int64> indices(std::size_t(outputs(p)), 16);
  EXPECT_THROW(max_pool_backward(p, dy.data(), indices.data(), dx.data()), IndexError);
  p.kernel[0] = 0;
  EXPECT_THROW(average_pool(p, nullptr, nullptr), ValueError);
}

}  // namespace
}  // namespace taper::cpu
