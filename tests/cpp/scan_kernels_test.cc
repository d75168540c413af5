// Running totals against plain loops in long double, over dtypes and shapes.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/scan.h"
#include "taper/error.h"
#include "taper/half.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
using Real = long double;
const float nan = std::nanf("");
const float infinity = std::numeric_limits<float>::infinity();

struct Sizes {
  int64 outer, n, inner;
  int64 elements() const { return outer * n * inner; }
};

const Sizes all_sizes[] = {{1, 1, 1},    {1, 5, 1},   {3, 2000, 1}, {2, 7, 3},
                           {1, 300, 40}, {2, 9, 600}, {40, 4, 2},   {1, 3, 1500}};

template <class T>
std::vector<T> numbers(int64 n) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 2);
  std::vector<T> x(static_cast<std::size_t>(n));
  for (auto& value : x) {
    if constexpr (std::is_same_v<T, std::complex<float>>) value = T(normal(random), normal(random)) * 0.5f;
    else if constexpr (std::is_unsigned_v<T>) value = T(std::fabs(normal(random)));
    else value = T(normal(random));
  }
  return x;
}

using Function = void (*)(const void*, DType, int64, int64, int64, void*, DType);

/// step(total, x) from the first element's start(x).
template <class T, class Out, class Wide, class Start, class Step>
void compare(Function function, DType dtype, DType output, double tolerance, const Start& start,
             const Step& step) {
  for (const Sizes& s : all_sizes) {
    const auto x = numbers<T>(s.elements());
    std::vector<Out> y(x.size());
    function(x.data(), dtype, s.outer, s.n, s.inner, y.data(), output);
    for (int64 o = 0; o < s.outer; ++o) {
      for (int64 c = 0; c < s.inner; ++c) {
        Wide total{};
        double scale = 1;
        for (int64 i = 0; i < s.n; ++i) {
          const auto at = std::size_t((o * s.n + i) * s.inner + c);
          total = i ? step(total, Wide(x[at])) : start(Wide(x[at]));
          scale = std::max(scale, double(std::abs(total)));
          ASSERT_LE(double(std::abs(Wide(y[at]) - total)), tolerance * scale) << o << " " << i << " " << c;
        }
      }
    }
  }
}

const auto same = [](auto x) { return x; };
const auto add = [](auto a, auto b) { return a + b; };
const auto multiply = [](auto a, auto b) { return a * b; };

TEST(Scan, Sums) {
  compare<float, float, Real>(cumsum, float32, float32, 6e-8, same, add);
  compare<double, double, Real>(cumsum, float64, float64, 1e-13, same, add);
  compare<Half, Half, Real>(cumsum, float16, float16, 6e-4, same, add);
  compare<BFloat16, float, Real>(cumsum, bfloat16, float32, 6e-8, same, add);
  compare<std::uint8_t, int64, Real>(cumsum, uint8, DType::int64, 0, same, add);
  compare<std::int32_t, std::int32_t, Real>(cumsum, DType::int32, DType::int32, 0, same, add);
  compare<std::uint64_t, std::uint64_t, Real>(cumsum, DType::uint64, DType::uint64, 0, same, add);
  compare<std::complex<float>, std::complex<float>, std::complex<double>>(cumsum, complex64, complex64, 1e-6,
                                                                          same, add);
}

TEST(Scan, Products) {
  compare<double, double, Real>(cumprod, float64, float64, 1e-12, same, multiply);
  compare<std::complex<float>, std::complex<double>, std::complex<double>>(cumprod, complex64, complex128,
                                                                           1e-6, same, multiply);
  const std::int32_t x[4] = {2, 3, 0, 5};
  int64 y[4];
  cumprod(x, DType::int32, 1, 4, 1, y, DType::int64);
  EXPECT_EQ(std::vector<int64>(y, y + 4), (std::vector<int64>{2, 6, 0, 0}));
}

TEST(Scan, LogOfSumsOfExponentials) {
  const auto step = [](Real a, Real b) { return std::max(a, b) + std::log1p(std::exp(-std::fabs(a - b))); };
  compare<float, float, Real>(logcumsumexp, float32, float32, 3e-7, same, step);
  compare<double, double, Real>(logcumsumexp, float64, float64, 1e-14, same, step);
  const auto of = [](std::vector<float> x, int64 inner) {
    std::vector<float> y(x.size());
    logcumsumexp(x.data(), float32, 1, int64(x.size()) / inner, inner, y.data(), float32);
    return y;
  };
  for (const int64 inner : {1, 2}) {
    std::vector<float> x;
    for (const float value : {-infinity, -infinity, 1.f, 1000.f, -infinity, infinity, 3.f})
      x.insert(x.end(), inner, value);
    const auto y = of(x, inner);
    const float expected[] = {-infinity, -infinity, 1, 1000, 1000, infinity, infinity};
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], expected[i / std::size_t(inner)]);
  }
  EXPECT_TRUE(std::isnan(of({1, nan, 2}, 1)[2]));
}

template <class T>
void test_extremes(DType dtype) {
  for (const Sizes& s : all_sizes) {
    const auto x = numbers<T>(s.elements());
    std::vector<T> y(x.size());
    std::vector<int64> places(x.size());
    for (const bool largest : {false, true}) {
      (largest ? cummax : cummin)(x.data(), dtype, s.outer, s.n, s.inner, y.data(), places.data());
      for (int64 o = 0; o < s.outer; ++o) {
        for (int64 c = 0; c < s.inner; ++c) {
          int64 best = 0;
          const auto at = [&](int64 i) { return std::size_t((o * s.n + i) * s.inner + c); };
          for (int64 i = 0; i < s.n; ++i) {
            if (largest ? x[at(i)] >= x[at(best)] : x[at(i)] <= x[at(best)]) best = i;
            ASSERT_EQ(places[at(i)], best);
            ASSERT_EQ(y[at(i)], x[at(best)]);
          }
        }
      }
    }
  }
}

TEST(Scan, Extremes) {
  test_extremes<float>(float32);
  test_extremes<double>(float64);
  test_extremes<Half>(float16);
  test_extremes<std::int8_t>(int8);
  test_extremes<std::uint64_t>(uint64);
  const float x[5] = {1, 1, nan, 2, nan};
  float y[5];
  int64 places[5];
  cummax(x, float32, 1, 5, 1, y, places);
  EXPECT_EQ(std::vector<int64>(places, places + 5), (std::vector<int64>{0, 1, 2, 2, 4}));
  EXPECT_TRUE(std::isnan(y[3]));
  cummin(x, float32, 1, 5, 1, y, nullptr);
  EXPECT_EQ(y[1], 1);
}

TEST(Scan, LongSumsThreadsAndRefusals) {
  std::vector<float> ones(1 << 25, 1), y(ones.size());  // float32 alone would stop at 2^24
  cumsum(ones.data(), float32, 1, 1 << 25, 1, y.data(), float32);
  EXPECT_EQ(y.back(), float(1 << 25));
  const auto x = numbers<float>(1 << 20);
  for (const auto function : {cumsum, cumprod, logcumsumexp}) {
    std::vector<float> y1(x.size()), y2(x.size());
    set_num_threads(1);
    function(x.data(), float32, 16, 64, 1024, y1.data(), float32);
    set_num_threads(2);
    function(x.data(), float32, 16, 64, 1024, y2.data(), float32);
    EXPECT_EQ(std::memcmp(y1.data(), y2.data(), y1.size() * 4), 0);
  }
  cumsum(nullptr, float32, 3, 0, 2, nullptr, float32);
  cumsum(nullptr, float32, 3, 2, 0, nullptr, float32);
  EXPECT_THROW(cumsum(x.data(), float32, 1, 1, 1, y.data(), DType::int64), DTypeError);
  EXPECT_THROW(logcumsumexp(x.data(), DType::int64, 1, 1, 1, y.data(), float32), DTypeError);
  EXPECT_THROW(cummax(x.data(), complex64, 1, 1, 1, y.data(), nullptr), DTypeError);
}

}  // namespace
}  // namespace taper::cpu
