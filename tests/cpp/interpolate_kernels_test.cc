// Interpolation against results of PyTorch 2.15 in float64, and its gradient as the adjoint.
#include "cpu/interpolate.h"

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;
using Doubles = std::vector<double>;

struct Sample {
  std::vector<int64> input, output;
  Interpolation mode;
  bool align_corners, antialias;
  double scale_factor;
  Doubles expected;
};

std::vector<Sample> samples() {
  return {
      {{7}, {3}, Interpolation::nearest, false, false, 0, {1, 2, 4}},
      {{7}, {5}, Interpolation::nearest, false, false, 0, {1, 5, 2, 4, 0}},
      {{7}, {10}, Interpolation::nearest, false, false, 0, {1, 1, 5, 2, 2, -3, 4, 4, 0, 7}},
      {{7},
       {16},
       Interpolation::nearest,
       false,
       false,
       0,
       {1, 1, 1, 5, 5, 2, 2, -3, -3, -3, 4, 4, 0, 0, 7, 7}},
      {{7}, {3}, Interpolation::nearest_exact, false, false, 0, {5, -3, 0}},
      {{7}, {5}, Interpolation::nearest_exact, false, false, 0, {1, 2, -3, 4, 7}},
      {{7}, {10}, Interpolation::nearest_exact, false, false, 0, {1, 5, 5, 2, -3, -3, 4, 0, 0, 7}},
      {{7},
       {16},
       Interpolation::nearest_exact,
       false,
       false,
       0,
       {1, 1, 5, 5, 5, 2, 2, -3, -3, 4, 4, 0, 0, 0, 7, 7}},
      {{7}, {3}, Interpolation::linear, false, false, 0, {3.666666666666667, -3, 2.3333333333333375}},
      {{7}, {3}, Interpolation::linear, true, false, 0, {1, -3, 7}},
      {{7},
       {5},
       Interpolation::linear,
       false,
       false,
       0,
       {1.7999999999999998, 3.2000000000000002, -3, 2.4000000000000021, 5.5999999999999988}},
      {{7}, {5}, Interpolation::linear, true, false, 0, {1, 3.5, -3, 2, 7}},
      {{7},
       {10},
       Interpolation::linear,
       false,
       false,
       0,
       {1, 3.1999999999999997, 4.25, 2.1500000000000008, -1.2499999999999996, -0.55000000000000249,
        3.8000000000000007, 1, 3.149999999999995, 7}},
      {{7},
       {10},
       Interpolation::linear,
       true,
       false,
       0,
       {1, 3.6666666666666665, 4, 2, -1.3333333333333326, -0.66666666666666874, 4, 1.3333333333333357,
        2.3333333333333313, 7}},
      {{7},
       {16},
       Interpolation::linear,
       false,
       false,
       0,
       {1, 1.625, 3.375, 4.90625, 3.59375, 2.28125, 0.28125, -1.90625, -1.46875, 1.59375, 3.625, 1.875, 0.125,
        2.84375, 5.90625, 7}},
      {{7},
       {16},
       Interpolation::linear,
       true,
       false,
       0,
       {1, 2.6000000000000001, 4.2000000000000002, 4.3999999999999995, 3.1999999999999997, 2,
        -1.7763568394002505e-15, -2.0000000000000013, -1.5999999999999988, 1.2000000000000006, 4,
        2.3999999999999986, 0.79999999999999716, 1.4000000000000012, 4.2000000000000037, 7}},
      {{7}, {9}, Interpolation::nearest, false, false, 1.3, {1, 1, 5, 2, -3, -3, 4, 0, 7}},
      {{7},
       {9},
       Interpolation::linear,
       false,
       false,
       1.3,
       {1, 3.615384615384615, 3.7307692307692313, 1.0384615384615397, -2.8076923076923062, 2.1153846153846128,
        2, 1.8846153846153779, 7}},
      {{4, 5},
       {3, 7},
       Interpolation::linear,
       false,
       false,
       0,
       {0.41666666666666657, 0.56904761904761891, 0.81666666666666665, 1.1499999999999999,
        1.6261904761904762,  2.1880952380952383,  2.6833333333333331,  6.25,
        7.1642857142857137,  8.3642857142857139,  9.6500000000000004,  11.078571428571427,
        12.592857142857143,  13.850000000000001,  20.416666666666664,  22.092857142857138,
        24.24523809523809,   26.483333333333327,  28.864285714285707,  31.330952380952375,
        33.349999999999994}},
      {{4, 5},
       {3, 7},
       Interpolation::linear,
       true,
       false,
       0,
       {0,
        0.066666666666666666,
        0.19999999999999998,
        0.40000000000000002,
        0.73333333333333328,
        1.1333333333333331,
        1.6000000000000001,
        6.25,
        7.3166666666666664,
        8.4500000000000011,
        9.6500000000000004,
        10.983333333333333,
        12.383333333333333,
        13.850000000000001,
        22.5,
        24.566666666666666,
        26.699999999999999,
        28.899999999999999,
        31.233333333333331,
        33.633333333333333,
        36.100000000000001}},
      {{4, 5},
       {2, 3},
       Interpolation::linear,
       false,
       true,
       0,
       {2.8489795918367342, 4.3730158730158735, 6.3510204081632669, 15.308163265306121, 19.301587301587304,
        23.748979591836736}},
      {{4, 5},
       {3, 7},
       Interpolation::cubic,
       false,
       false,
       0,
       {0.21078548482885623, 0.31507092916532142, 0.56452900604686895, 0.88090277777778347,
        1.2701628468847921,  1.9196209237663397,  2.398250391426421,   5.1865524781341135,
        6.0518586005830937,  7.4748906705539406,  8.7125000000000004,  10.022995626822158,
        11.846027696793005,  13.085677842565609,  20.602134286254195,  22.228461086815695,
        24.825067149875835,  26.98391203703704,   29.215643221574357,  32.212249284634503,
        34.212920108519626}},
      {{4, 5},
       {3, 7},
       Interpolation::cubic,
       true,
       false,
       0,
       {0,
        0.035185185185185167,
        0.17777777777777798,
        0.40000000000000002,
        0.68148148148148135,
        1.1759259259259265,
        1.6000000000000001,
        5.3125,
        6.2087962962962946,
        7.5458333333333369,
        8.7125000000000004,
        9.9384259259259249,
        11.627314814814818,
        12.9125,
        22.5,
        24.257407407407403,
        26.788888888888899,
        28.899999999999999,
        31.070370370370362,
        33.953703703703717,
        36.100000000000001}},
      {{4, 5},
       {2, 3},
       Interpolation::cubic,
       false,
       true,
       0,
       {1.7328162746344569, 3.1013530655391119, 4.9815893197711381, 16.077444373808014, 20.4525927349606,
        25.339440559440565}},
      {{2, 2, 3},
       {3, 2, 4},
       Interpolation::linear,
       false,
       false,
       0,
       {0,
        0.625,
        2.125,
        4,
        9,
        13.375,
        19.375,
        25,
        17.999999999999996,
        22.374999999999996,
        28.374999999999996,
        34,
        44.999999999999993,
        53.124999999999993,
        63.624999999999993,
        73,
        36,
        44.125,
        54.625,
        64,
        81,
        92.875,
        107.875,
        121}},
  };
}

/// What torch.nn.functional.interpolate was given: by the number of dimensions.
Doubles image(std::size_t dimensions) {
  if (dimensions == 1) return {1, 5, 2, -3, 4, 0, 7};
  Doubles values;
  for (int i = 0; i < (dimensions == 2 ? 20 : 12); ++i)
    values.push_back(i * i / (dimensions == 2 ? 10. : 1.));
  return values;
}

constexpr int64 batch = 2;

Interpolate sizes_of(const Sample& s, DType dtype, int64 channels, bool channels_last) {
  Interpolate p;
  p.spatial_dims = int(s.input.size()), p.batch = batch, p.channels = channels, p.dtype = dtype;
  p.channels_last = channels_last, p.mode = s.mode, p.align_corners = s.align_corners,
  p.antialias = s.antialias;
  for (std::size_t i = 0; i < s.input.size(); ++i)
    p.input[i] = s.input[i], p.output[i] = s.output[i], p.scale_factor[i] = s.scale_factor;
  return p;
}

/// Copies of a plane: that of image n and channel c times 1 + n + c / 2.
Doubles repeat(const Doubles& plane, const Interpolate& p) {
  Doubles all(plane.size() * std::size_t(batch * p.channels));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto size = int64(plane.size()), n = int64(i) / (size * p.channels);
    const int64 c = p.channels_last ? int64(i) % p.channels : int64(i) / size % p.channels;
    const int64 at = p.channels_last ? int64(i) / p.channels % size : int64(i) % size;
    all[i] = plane[std::size_t(at)] * (1 + double(n) + double(c) / 2);
  }
  return all;
}

double dot(const Array& a, const Array& b) {
  double sum = 0;
  for (int64 i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void compare(const Sample& s, const Interpolate& p) {
  const Doubles values = repeat(image(s.input.size()), p), want = repeat(s.expected, p);
  Array x(p.dtype, int64(values.size())), y(p.dtype, int64(want.size()), 7), dx(p.dtype, x.size(), 7);
  for (int64 i = 0; i < x.size(); ++i) x.set(i, values[std::size_t(i)]);
  interpolate(p, x.data(), y.data());
  expect_close(y, want, 16, 16, "y");
  if (p.dtype != float64) return;
  const Array dy = Array::uniform(p.dtype, y.size());
  interpolate_backward(p, dy.data(), dx.data());
  EXPECT_NEAR(dot(y, dy), dot(x, dx), 1e-9);
}

TEST(InterpolateKernels, EqualPyTorch) {
  for (const Sample& s : samples())
    for (const DType dtype : floating_types)
      for (const int64 channels : {1, 3, 70})
        for (const bool channels_last : {false, true}) {
          SCOPED_TRACE(concat(dtype, ", mode ", int(s.mode), ", ", channels, " channels, to ", s.output[0],
                              s.align_corners ? ", corners aligned" : "",
                              channels_last ? ", channels last" : ""));
          compare(s, sizes_of(s, dtype, channels, channels_last));
          if (::testing::Test::HasFatalFailure()) return;
        }
}

TEST(InterpolateKernels, AreTheSameForAnyNumberOfThreads) {
  for (const bool channels_last : {false, true}) {
    Interpolate p =
        sizes_of({{30, 40}, {60, 79}, Interpolation::cubic, false, false, 0, {}}, float32, 90, channels_last);
    const Array x = Array::uniform(float32, batch * 90 * 30 * 40),
                dy = Array::uniform(float32, batch * 90 * 60 * 79);
    expect_same_for_threads([&] {
      Array y(float32, dy.size()), dx(float32, x.size());
      interpolate(p, x.data(), y.data());
      interpolate_backward(p, dy.data(), dx.data());
      return std::vector<Array>{y, dx};
    });
  }
}

TEST(InterpolateKernels, RefuseAnEmptyImage) {
  const Interpolate p =
      sizes_of({{0, 4}, {2, 2}, Interpolation::linear, false, false, 0, {}}, float32, 1, true);
  EXPECT_THROW(interpolate(p, nullptr, nullptr), ShapeError);
}

}  // namespace
}  // namespace taper::cpu
