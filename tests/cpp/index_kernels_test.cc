// Gather, scatter and indexing against plain loops, over dtypes, strides, wrong indices and thread counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "cpu/index.h"
#include "cpu/parallel.h"
#include "taper/error.h"
#include "taper/half.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
const float nan = std::nanf("");

std::vector<int64> random_indices(std::size_t n, int64 low, int64 high, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int64> pick(low, high - 1);
  std::vector<int64> index(n);
  for (auto& value : index) value = pick(random);
  return index;
}

template <class T = float>
std::vector<T> counting(std::size_t n, T first = T(0)) {
  std::vector<T> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = T(first + T(float(i)));
  return x;
}

/// The message of the IndexError that f must throw.
std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const IndexError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// Places of row-major order in sizes, as offsets of strides.
int64 offset_of(int64 flat, const Shape& sizes, const Shape& strides) {
  int64 offset = 0;
  for (int i = sizes.size(); i--; flat /= sizes[i]) offset += flat % sizes[i] * strides[i];
  return offset;
}

TEST(Index, GatherOverLayoutsAndDimensions) {
  const Shape sizes{5, 6, 7};
  for (const Shape& strides : {Shape{42, 7, 1}, Shape{1, 5, 30}, Shape{0, 7, 1}, Shape{100, 14, 2}}) {
    const auto x = counting(700);
    for (int dim = 0; dim < 3; ++dim) {
      Shape index_sizes{4, 6, 3};
      index_sizes[dim] = 11;
      const Shape index_strides{1, index_sizes[0], index_sizes[0] * index_sizes[1]};
      const int64 n = numel(index_sizes);
      const auto index = random_indices(std::size_t(n), 0, sizes[dim], 3);
      std::vector<float> y(std::size_t(n), -1);
      gather({x.data(), sizes, strides}, float32, dim, {index.data(), index_sizes, index_strides}, y.data());
      for (int64 flat = 0; flat < n; ++flat) {
        Shape place{flat / (index_sizes[1] * index_sizes[2]), flat / index_sizes[2] % index_sizes[1],
                    flat % index_sizes[2]};
        place[dim] = index[std::size_t(offset_of(flat, index_sizes, index_strides))];
        ASSERT_EQ(y[std::size_t(flat)],
                  x[std::size_t(place[0] * strides[0] + place[1] * strides[1] + place[2] * strides[2])]);
      }
    }
  }
}

TEST(Index, GatherOfEverySize) {
  const int64 index[3] = {2, 0, 2};
  const std::uint8_t bytes[3] = {1, 2, 3};
  std::uint8_t few[3];
  gather({bytes, {3}, {1}}, boolean, 0, {index, {3}, {1}}, few);
  EXPECT_EQ(few[0], 3);
  const std::complex<double> z[3] = {{1, 2}, {3, 4}, {5, 6}};
  std::complex<double> many[3];
  gather({z, {3}, {1}}, complex128, 0, {index, {3}, {1}}, many);
  EXPECT_EQ(many[2], z[2]);
  float scalar = 7, y = 0;
  const int64 zero = 0;
  gather({&scalar, {}, {}}, float32, 0, {&zero, {}, {}}, &y);
  EXPECT_EQ(y, 7);
  gather({&scalar, {0, 3}, {3, 1}}, float32, 1, {&zero, {0, 2}, {2, 1}}, &y);
}

TEST(Index, WrongIndicesAreNamed) {
  const auto x = counting(12);
  const int64 index[4] = {0, 3, 4, 1}, negative[2] = {0, -1};
  float y[12];
  EXPECT_EQ(message_of([&] {
              gather({x.data(), {3, 4}, {4, 1}}, float32, 1, {index, {2, 2}, {2, 1}}, y);
            }),
            "gather: index 4 at position (1, 0) is out of range for dimension 1 of size 4, expected 0 to 3");
  EXPECT_EQ(message_of([&] {
              gather({x.data(), {12}, {1}}, float32, 0, {negative, {2}, {1}}, y);
            }),
            "gather: index -1 at position (1,) is out of range for dimension 0 of size 12, expected 0 to 11");
  EXPECT_EQ(message_of([&] {
              take({x.data(), {3, 4}, {4, 1}}, float32, {index, {4}, {0}}, y);
            }),
            "nothing was thrown");
  const int64 far[2] = {-12, -13};
  EXPECT_EQ(
      message_of([&] {
        take({x.data(), {3, 4}, {4, 1}}, float32, {far, {2}, {1}}, y);
      }),
      "take: index -13 at position (1,) is out of range for an input of 12 elements, expected -12 to 11");
  EXPECT_EQ(message_of([&] {
              take({x.data(), {0}, {1}}, float32, {far, {2}, {1}}, y);
            }),
            "take: index -12 at position (0,) is out of range for an input of 0 elements");
  // Nothing is written before all indices are found right.
  std::vector<float> target(4, 1);
  const int64 last_is_wrong[3] = {0, 1, 4};
  const Target to{target.data(), {4}, {1}};
  const Indices wrong{last_is_wrong, {3}, {1}};
  const Source from{x.data(), {3}, {1}};
  EXPECT_THROW(scatter(to, float32, 0, wrong, from, Combine::set), IndexError);
  EXPECT_THROW(scatter(to, float32, 0, wrong, from, Combine::mean, false), IndexError);
  EXPECT_THROW(index_add(to, float32, 0, wrong, from), IndexError);
  EXPECT_THROW(index_copy(to, float32, 0, wrong, from), IndexError);
  EXPECT_THROW(index_put(target.data(), float32, {{{last_is_wrong, {1}, 4, 1, 0}}, {3}, {1}, {}, {}, {}},
                         x.data(), true),
               IndexError);
  for (const int64 extreme : {std::numeric_limits<int64>::min(), std::numeric_limits<int64>::max()}) {
    EXPECT_THROW(take({x.data(), {12}, {1}}, float32, {&extreme, {1}, {1}}, y), IndexError);
    EXPECT_THROW(index_select({x.data(), {12}, {1}}, float32, 0, {&extreme, {1}, {1}}, y), IndexError);
  }
  EXPECT_EQ(target, std::vector<float>(4, 1));
}

template <class T>
void compare_scatter(Combine how, bool include_self,
                     const std::function<double(std::vector<double>)>& reference) {
  std::vector<T> y, x;
  const auto index = random_indices(60, 0, 5);
  for (int i = 0; i < 40; ++i) y.push_back(T(float(i % 7 + 1)));
  for (int i = 0; i < 60; ++i) x.push_back(T(float(i % 5 + 1)));
  for (int dim = 0; dim < 2; ++dim) {
    auto got = y;
    const Shape sizes = dim == 0 ? Shape{5, 8} : Shape{8, 5},
                index_sizes = dim == 0 ? Shape{10, 6} : Shape{6, 10};
    const DType dtype = std::is_same_v<T, float>    ? float32
                        : std::is_same_v<T, Half>   ? float16
                        : std::is_same_v<T, double> ? float64
                                                    : DType::int32;
    const Shape strides = contiguous_strides(sizes), index_strides = contiguous_strides(index_sizes);
    scatter({got.data(), sizes, strides}, dtype, dim, {index.data(), index_sizes, index_strides},
            {x.data(), index_sizes, index_strides}, how, include_self);
    std::vector<std::vector<double>> values(40);
    for (int64 flat = 0; flat < 60; ++flat) {
      const int64 row = flat / index_sizes[1], column = flat % index_sizes[1], at = index[std::size_t(flat)];
      const int64 place = dim == 0 ? at * strides[0] + column : row * strides[0] + at;
      auto& list = values[std::size_t(place)];
      if (list.empty() && include_self) list.push_back(double(y[std::size_t(place)]));
      list.push_back(double(x[std::size_t(flat)]));
    }
    for (std::size_t i = 0; i < 40; ++i) {
      const double want = values[i].empty() ? double(y[i]) : reference(values[i]);
      ASSERT_NEAR(double(got[i]), want, std::fabs(want) * (sizeof(T) == 2 ? 2e-3 : 1e-6))
          << int(how) << " " << dim;
    }
  }
}

TEST(Index, ScatterCombines) {
  const auto sum = [](std::vector<double> v) { return std::accumulate(v.begin(), v.end(), 0.); };
  const auto product = [](std::vector<double> v) {
    return std::accumulate(v.begin(), v.end(), 1., std::multiplies<>());
  };
  for (const bool include_self : {true, false}) {
    const auto all = [&]<class T>() {
      compare_scatter<T>(Combine::set, include_self, [](std::vector<double> v) { return v.back(); });
      compare_scatter<T>(Combine::add, include_self, sum);
      if (sizeof(T) > 2) compare_scatter<T>(Combine::multiply, include_self, product);
      compare_scatter<T>(Combine::amin, include_self,
                         [](auto v) { return *std::min_element(v.begin(), v.end()); });
      compare_scatter<T>(Combine::amax, include_self,
                         [](auto v) { return *std::max_element(v.begin(), v.end()); });
      compare_scatter<T>(Combine::mean, include_self, [&](auto v) {
        const double mean = sum(v) / double(v.size());
        return std::is_same_v<T, std::int32_t> ? std::floor(mean) : mean;
      });
    };
    all.operator()<float>();
    all.operator()<double>();
    all.operator()<Half>();
    all.operator()<std::int32_t>();
  }
}

TEST(Index, ScatterOfNanAndScalarsAndComplex) {
  float y[3] = {1, 2, 3};
  const float x[2] = {nan, 5};
  const int64 index[2] = {1, 1};
  scatter({y, {3}, {1}}, float32, 0, {index, {2}, {1}}, {x, {2}, {1}}, Combine::amax);
  EXPECT_TRUE(std::isnan(y[1]));
  const float nine = 9;
  const int64 ends[2] = {0, 2};
  scatter({y, {3}, {1}}, float32, 0, {ends, {2}, {1}}, {&nine, {2}, {0}}, Combine::set);
  EXPECT_EQ(y[0] + y[2], 18);
  std::complex<float> z[2] = {{1, 1}, {0, 2}};
  scatter({z, {2}, {1}}, complex64, 0, {index, {1}, {1}}, {z, {1}, {1}}, Combine::multiply);
  EXPECT_EQ(z[1], std::complex<float>(-2, 2));
  EXPECT_THROW(scatter({z, {2}, {1}}, complex64, 0, {index, {1}, {1}}, {z, {1}, {1}}, Combine::amax),
               DTypeError);
  bool truth[2] = {false, true};
  const bool yes = true;
  scatter({truth, {2}, {1}}, boolean, 0, {ends, {1}, {1}}, {&yes, {1}, {0}}, Combine::add);
  EXPECT_TRUE(truth[0]);
}

TEST(Index, SelectAddAndCopyAlongAnyDimension) {
  const Shape sizes{4, 5, 6}, strides{30, 6, 1};
  const auto x = counting(120);
  for (int dim = 0; dim < 3; ++dim) {
    const auto index = random_indices(9, 0, sizes[dim], 5);
    Shape out = sizes;
    out[dim] = 9;
    const Shape out_strides = contiguous_strides(out);
    std::vector<float> y(std::size_t(numel(out)));
    index_select({x.data(), sizes, strides}, float32, dim, {index.data(), {9}, {1}}, y.data());
    auto sum = counting(120), expected = sum, copy = sum, expected_copy = sum;
    index_add({sum.data(), sizes, strides}, float32, dim, {index.data(), {9}, {1}},
              {y.data(), out, out_strides}, -0.5);
    index_copy({copy.data(), sizes, strides}, float32, dim, {index.data(), {9}, {1}},
               {y.data(), out, out_strides});
    for (int64 flat = 0; flat < numel(out); ++flat) {
      Shape place{flat / (out[1] * out[2]), flat / out[2] % out[1], flat % out[2]};
      place[dim] = index[std::size_t(place[dim])];
      const auto at = std::size_t(place[0] * 30 + place[1] * 6 + place[2]);
      ASSERT_EQ(y[std::size_t(flat)], x[at]);
    }
    for (int64 k = 0; k < 9; ++k) {
      for (int64 flat = 0; flat < numel(out); ++flat) {
        Shape place{flat / (out[1] * out[2]), flat / out[2] % out[1], flat % out[2]};
        if (place[dim] != k) continue;
        place[dim] = index[std::size_t(k)];
        const auto at = std::size_t(place[0] * 30 + place[1] * 6 + place[2]);
        expected[at] += -0.5f * y[std::size_t(flat)];
        expected_copy[at] = y[std::size_t(flat)];
      }
    }
    EXPECT_EQ(sum, expected);
    EXPECT_EQ(copy, expected_copy);
  }
}

TEST(Index, TakeCountsInRowMajorOrder) {
  const auto x = counting(24);
  const int64 index[3] = {1, -1, 5};
  float y[3];
  take({x.data(), {4, 6}, {6, 1}}, float32, {index, {3}, {1}}, y);
  EXPECT_EQ(std::vector<float>(y, y + 3), (std::vector<float>{1, 23, 5}));
  take({x.data(), {6, 4}, {1, 6}}, float32, {index, {3}, {1}}, y);  // the transpose
  EXPECT_EQ(std::vector<float>(y, y + 3), (std::vector<float>{6, 23, 7}));
  take({x.data(), {12}, {2}}, float32, {index, {3}, {1}}, y);
  EXPECT_EQ(std::vector<float>(y, y + 3), (std::vector<float>{2, 22, 10}));
}

TEST(Index, AdvancedReadAndWrite) {
  // x [4, 5, 6]; x[rows[:, None], :, columns] of shape [3, 2, 5].
  const auto x = counting(120);
  const int64 rows[3] = {0, -1, 2}, columns[2] = {5, -6};
  const AdvancedIndex plan{
      {{rows, {1, 0}, 4, 30, 0}, {columns, {0, 1}, 6, 1, 2}}, {3, 2}, {10, 5}, {5}, {6}, {1}};
  std::vector<float> y(30);
  index(x.data(), float32, plan, y.data());
  auto written = std::vector<float>(120), added = counting(120);
  index_put(written.data(), float32, plan, y.data(), false);
  index_put(added.data(), float32, plan, y.data(), true);
  for (int64 i = 0; i < 3; ++i) {
    for (int64 j = 0; j < 2; ++j) {
      for (int64 k = 0; k < 5; ++k) {
        const auto at = std::size_t((rows[i] + 4) % 4 * 30 + k * 6 + (columns[j] + 6) % 6);
        ASSERT_EQ(y[std::size_t(i * 10 + j * 5 + k)], x[at]);
        ASSERT_EQ(written[at], x[at]);
        ASSERT_EQ(added[at], 2 * x[at]);
      }
    }
  }
  const int64 wrong[2] = {5, 6};
  AdvancedIndex bad = plan;
  bad.operands[1].data = wrong;
  EXPECT_EQ(
      message_of([&] { index(x.data(), float32, bad, y.data(), "__getitem__"); }),
      "__getitem__: index 6 at position (0, 1) is out of range for dimension 2 of size 6, expected -6 to 5");
  const AdvancedIndex none{{{rows, {1}, 4, 30, 0}}, {0}, {1}, {30}, {1}, {1}};
  index(x.data(), float32, none, y.data());
}

TEST(Index, SumsOfManyValuesAreTheSameForAnyThreadCount) {
  const auto index = random_indices(30000, 0, 100);
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> x(30000 * 64);
  for (auto& value : x) value = normal(random);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<float> y(100 * 64), z(100 * 64), flat(100);
    const Indices by_row{index.data(), {30000}, {1}}, spread{index.data(), {30000, 64}, {1, 0}};
    index_add({y.data(), {100, 64}, {64, 1}}, float32, 0, by_row, {x.data(), {30000, 64}, {64, 1}});
    scatter({z.data(), {100, 64}, {64, 1}}, float32, 0, spread, {x.data(), {30000, 64}, {64, 1}},
            Combine::add);
    scatter({flat.data(), {100}, {1}}, float32, 0, by_row, {x.data(), {30000}, {1}}, Combine::add);
    EXPECT_EQ(y, z);
    y.insert(y.end(), flat.begin(), flat.end());
    results.push_back(y);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(Index, Masks) {
  for (const int64 n : {0, 1, 100, 4096, 10001}) {
    for (const int64 stride : {1, 3}) {
      const auto x = counting(std::size_t(n * stride));
      std::vector<std::uint8_t> mask(static_cast<std::size_t>(n));
      std::mt19937 random{unsigned(n)};
      for (auto& bit : mask) bit = random() % 3 == 0;
      const Source truth{mask.data(), {n}, {1}};
      const TrueCounts counts = count_true(truth, boolean);
      std::vector<float> picked, y(std::size_t(counts.back()) + 1, -7);
      std::vector<int64> places, found(std::size_t(counts.back()) + 1, -7);
      for (int64 i = 0; i < n; ++i) {
        if (mask[std::size_t(i)]) picked.push_back(x[std::size_t(i * stride)]), places.push_back(i);
      }
      picked.push_back(-7), places.push_back(-7);
      masked_select({x.data(), {n}, {stride}}, float32, truth, counts, y.data());
      nonzero(truth, boolean, counts, found.data());
      EXPECT_EQ(y, picked);
      EXPECT_EQ(found, places);
      std::vector<float> target(std::size_t(n * stride), 0);
      masked_scatter({target.data(), {n}, {stride}}, float32, truth, counts, y.data(), counts.back());
      for (int64 i = 0; i < n; ++i) {
        ASSERT_EQ(target[std::size_t(i * stride)], mask[std::size_t(i)] ? x[std::size_t(i * stride)] : 0);
      }
    }
  }
}

TEST(Index, NonzeroOfMatricesAndNan) {
  const float x[6] = {0, nan, 0, -0.f, 2, 3};
  const TrueCounts counts = count_true({x, {3, 2}, {1, 3}}, float32);  // the transpose of 2 x 3
  ASSERT_EQ(counts.back(), 3);
  int64 y[6];
  nonzero({x, {3, 2}, {1, 3}}, float32, counts, y);
  EXPECT_EQ(std::vector<int64>(y, y + 6), (std::vector<int64>{1, 0, 1, 1, 2, 1}));
  EXPECT_EQ(count_true({x, {}, {}}, float32).back(), 0);
  float target[3] = {};
  const std::uint8_t mask[3] = {1, 0, 200};  // a byte that is no proper bool must do no harm
  const Source truth{mask, {3}, {1}};
  try {
    masked_scatter({target, {3}, {1}}, float32, truth, count_true(truth, boolean), x, 1);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "masked_scatter: the mask has 2 true elements but the source only 1 elements");
  }
}

}  // namespace
}  // namespace taper::cpu
