// Random numbers: the published vectors of the generator, distributions, and the same bits however they are
// drawn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <numeric>
#include <vector>

#include "cpu/exact_math.h"
#include "cpu/parallel.h"
#include "cpu/philox.h"
#include "cpu/random.h"
#include "taper/error.h"
#include "taper/half.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
using Words = std::array<std::uint32_t, 4>;

TEST(Random, PublishedVectors) {  // kat_vectors of Random123
  EXPECT_EQ(philox(0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint64_t ones = ~std::uint64_t(0);
  EXPECT_EQ(philox(ones, ones, ones), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, BitsAreTheBlocksOfTheCounter) {
  const PhiloxState state{0x123456789abcdef0, 0xfffffff0};  // the counter's low word wraps
  std::vector<std::uint32_t> words(5003);
  random_bits(state, words.data(), 5003);
  for (std::size_t i = 0; i < words.size(); ++i)
    ASSERT_EQ(words[i], philox(state.seed, state.offset + i / 4)[i % 4]);
}

/// The numbers of a fill, which is also drawn short and with two threads: same bits, and nothing past the
/// end.
template <class T, class Fill>
std::vector<T> draw(int64 n, const Fill& fill) {
  std::vector<T> y(static_cast<std::size_t>(n)), other(y.size());
  set_num_threads(1);
  fill(y.data(), n);
  set_num_threads(2);
  fill(other.data(), n);
  EXPECT_EQ(std::memcmp(y.data(), other.data(), y.size() * sizeof(T)), 0);
  std::vector<T> few(78, T(5));
  fill(few.data(), 77);
  EXPECT_EQ(std::memcmp(y.data(), few.data(), 77 * sizeof(T)), 0);
  EXPECT_EQ(few[77], T(5));
  return y;
}

struct Statistics {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

template <class T>
Statistics statistics(const std::vector<T>& x) {
  Statistics s;
  const double n = double(x.size());
  for (const T value : x) s.mean += double(value) / n;
  for (const T value : x) {
    const double d = double(value) - s.mean;
    s.variance += d * d / n, s.skew += d * d * d / n, s.kurtosis += d * d * d * d / n;
  }
  return s;
}

/// Kolmogorov and Smirnov's distance times sqrt(n); above 1.95 once in a thousand.
template <class T, class Cdf>
double distance(std::vector<T> x, const Cdf& cdf) {
  std::sort(x.begin(), x.end(), [](T a, T b) { return double(a) < double(b); });
  double worst = 0;
  const double n = double(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double p = cdf(double(x[i]));
    worst = std::max({worst, std::fabs(p - double(i) / n), std::fabs(p - double(i + 1) / n)});
  }
  return worst * std::sqrt(n);
}

constexpr int64 many = 1000003;
const PhiloxState some{42, 7};

template <class T>
void test_uniform(DType dtype, double grain) {
  const auto x = draw<T>(many, [&](T* y, int64 n) { uniform(some, y, dtype, n); });
  for (const T value : x) ASSERT_TRUE(double(value) >= 0 && double(value) < 1);
  EXPECT_LT(distance(x, [](double p) { return p; }), 1.95 + grain * 1000);
  const auto shifted = draw<T>(many, [&](T* y, int64 n) { uniform(some, y, dtype, n, -3, -1.125); });
  for (const T value : shifted) ASSERT_TRUE(double(value) >= -3 && double(value) < -1.125);
}

TEST(Random, Uniform) {
  test_uniform<float>(float32, 0);
  test_uniform<double>(float64, 0);
  test_uniform<Half>(float16, 0x1p-11);
  test_uniform<BFloat16>(bfloat16, 0x1p-8);
  float y[3];
  uniform(some, y, float32, 3, 2, 2);
  EXPECT_EQ(y[1], 2);
  std::complex<double> z[2];
  double parts[4];
  uniform(some, z, complex128, 2);
  uniform(some, parts, float64, 4);
  EXPECT_EQ(std::memcmp(z, parts, sizeof parts), 0);
  EXPECT_THROW(uniform(some, y, float32, 3, 1, 0), ValueError);
  EXPECT_THROW(uniform(some, y, float32, 3, -3e38, 3e38), ValueError);
  EXPECT_THROW(uniform(some, y, float32, 3, std::nan(""), 1), ValueError);
  EXPECT_THROW(uniform(some, y, DType::int32, 3), DTypeError);
}

template <class T>
void test_normal(DType dtype) {
  const auto x = draw<T>(many, [&](T* y, int64 n) { normal(some, y, dtype, n); });
  const Statistics s = statistics(x);
  EXPECT_NEAR(s.mean, 0, 0.004);
  EXPECT_NEAR(s.variance, 1, 0.006);
  EXPECT_NEAR(s.skew, 0, 0.01);
  EXPECT_NEAR(s.kurtosis, 3, 0.03);
  if (sizeof(T) > 2) {
    EXPECT_LT(distance(x, [](double p) { return 0.5 * std::erfc(-p * std::sqrt(0.5)); }), 1.95);
  }
  double product = 0;  // neighbours share a radius and must yet be independent
  for (std::size_t i = 0; i + 1 < x.size(); i += 2) product += double(x[i]) * double(x[i + 1]);
  EXPECT_LT(std::fabs(product) / std::sqrt(many / 2), 4);
}

TEST(Random, Normal) {
  test_normal<float>(float32);
  test_normal<double>(float64);
  test_normal<Half>(float16);
  test_normal<BFloat16>(bfloat16);
  float y[4], scaled[4];
  normal(some, y, float32, 4);
  normal(some, scaled, float32, 4, 5, 2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(scaled[i], y[i] * 2 + 5);
  EXPECT_THROW(normal(some, y, float32, 4, 0, -1), ValueError);
}

// The kernels run on the best instruction set there is, this test on the baseline: same bits.
TEST(Random, NormalIsExactlyBoxMuller) {
  std::vector<std::uint32_t> words(8192);
  random_bits(some, words.data(), 8192);
  std::vector<float> y(8192);
  normal(some, y.data(), float32, 8192);
  std::vector<double> z(4096);
  normal(some, z.data(), float64, 4096);
  for (std::size_t i = 0; i < 8192; i += 2) {
    const double u = (double(words[i]) + 1) * 0x1p-32, angle = 2 * M_PI * words[i + 1] * 0x1p-32;
    EXPECT_NEAR(y[i], std::sqrt(-2 * std::log(u)) * std::cos(angle), 4e-6);
    EXPECT_NEAR(y[i + 1], std::sqrt(-2 * std::log(u)) * std::sin(angle), 4e-6);
    const float high = float(words[i] >> 16) * 65536.f, low = float((words[i] & 0xffffu) + 1);
    const float radius = std::sqrt(-2.f * log_positive((high + low) * 0x1p-32f));
    ASSERT_EQ(y[i], radius * cos_sin_of_turn(words[i + 1]).cos);
    ASSERT_EQ(y[i + 1], radius * cos_sin_of_turn(words[i + 1]).sin);
  }
  const auto wide = [&](std::size_t i) { return words[2 * i] | std::uint64_t(words[2 * i + 1]) << 32; };
  for (std::size_t i = 0; i < 4096; i += 2) {
    const double u = double(wide(i) >> 11) * 0x1p-53 + 0x1p-53;
    const double radius = std::sqrt(-2 * log_positive(u)), angle = 2 * M_PI * (double(wide(i + 1)) * 0x1p-64);
    ASSERT_EQ(z[i], radius * cos_sin_of_turn(wide(i + 1)).cos);
    ASSERT_EQ(z[i + 1], radius * cos_sin_of_turn(wide(i + 1)).sin);
    ASSERT_NEAR(z[i], radius * std::cos(angle), 1e-14);
  }
}

TEST(Random, ElementaryFunctions) {
  double log_error = 0, exp_error = 0, turn_error = 0, log_error64 = 0, exp_error64 = 0;
  for (int i = 1; i < 200000; ++i) {
    const float x = std::ldexp(1.f + float(i % 1000) / 1000, -(i % 40));
    const double want = std::log(double(x)), scale = std::max(std::fabs(want), 1e-3);
    log_error = std::max(log_error, std::fabs(log_positive(x) - want) / scale);
    log_error64 = std::max(log_error64, std::fabs(log_positive(double(x)) - want) / scale);
    const float p = -float(i) * 0.0004f;
    exp_error = std::max(exp_error, std::fabs(exp_negative(p) / std::exp(double(p)) - 1));
    exp_error64 = std::max(exp_error64, std::fabs(exp_negative(double(p)) / std::exp(double(p)) - 1));
    const std::uint32_t turn = std::uint32_t(i) * 2654435761u;
    turn_error =
        std::max(turn_error, std::fabs(cos_sin_of_turn(turn).sin - std::sin(2 * M_PI * turn * 0x1p-32)));
  }
  EXPECT_LT(log_error, 1.2e-7);
  EXPECT_LT(exp_error, 1.2e-7);
  EXPECT_LT(turn_error, 1.2e-7);
  EXPECT_LT(log_error64, 4e-16);
  EXPECT_LT(exp_error64, 5e-16);
}

TEST(Random, Exponential) {
  for (const double rate : {1., 0.25}) {
    const auto x = draw<float>(many, [&](float* y, int64 n) { exponential(some, y, float32, n, rate); });
    EXPECT_GT(*std::min_element(x.begin(), x.end()), 0);
    EXPECT_LT(distance(x, [&](double v) { return -std::expm1(-rate * v); }), 1.95);
    const auto z = draw<double>(many, [&](double* y, int64 n) { exponential(some, y, float64, n, rate); });
    EXPECT_LT(distance(z, [&](double v) { return -std::expm1(-rate * v); }), 1.95);
  }
  float y;
  EXPECT_THROW(exponential(some, &y, float32, 1, 0), ValueError);
}

TEST(Random, Bernoulli) {
  const auto share = [](double p) {
    const auto x =
        draw<std::uint8_t>(many, [&](std::uint8_t* y, int64 n) { bernoulli(some, y, boolean, n, p); });
    return std::accumulate(x.begin(), x.end(), 0.) / many;
  };
  EXPECT_EQ(share(0), 0);
  EXPECT_EQ(share(1), 1);
  EXPECT_NEAR(share(0.3), 0.3, 0.002);
  std::vector<float> p(many, 0.25f);
  const auto x =
      draw<float>(many, [&](float* y, int64 n) { bernoulli(some, y, float32, n, p.data(), float32); });
  EXPECT_NEAR(statistics(x).mean, 0.25, 0.002);
  float y[3];
  p[2] = 1.5f;
  try {
    bernoulli(some, y, float32, 3, p.data(), float32);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "bernoulli: probability 1.5 at position 2 is not in [0, 1]");
  }
  EXPECT_THROW(bernoulli(some, y, float32, 3, -0.1), ValueError);
}

TEST(Random, Integers) {
  const auto dice = draw<int64>(many, [&](int64* y, int64 n) { randint(some, y, DType::int64, n, -2, 6); });
  std::vector<double> counts(6);
  for (const int64 value : dice) counts.at(std::size_t(value + 2)) += 1;
  double chi = 0;
  for (const double count : counts) chi += (count - many / 6.) * (count - many / 6.) / (many / 6.);
  EXPECT_LT(chi, 20.5);  // five degrees of freedom, once in a thousand
  // Two thirds of 2^64: a 64-bit multiplication would give every other number twice as often.
  const std::uint64_t wide = 0xaaaaaaaaaaaaaaaa;
  const auto large =
      draw<std::uint64_t>(many, [&](std::uint64_t* y, int64 n) { randint(some, y, uint64, n, 0, wide); });
  double odd = 0;
  for (const auto value : large) {
    ASSERT_LT(value, wide);
    odd += double(value & 1);
  }
  EXPECT_NEAR(odd / many, 0.5, 0.002);
  const auto all =
      draw<int64>(many, [&](int64* y, int64 n) { randint(some, y, DType::int64, n, INT64_MIN, 0); });
  EXPECT_NEAR(double(std::count_if(all.begin(), all.end(), [](int64 v) { return v < 0; })) / many, 0.5,
              0.002);
  std::int8_t y[4];
  randint(some, y, int8, 4, -128, 256);
  try {
    randint(some, y, int8, 4, 0, 129);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "randint: int8 does not hold all numbers from 0 to 128");
  }
  EXPECT_THROW(randint(some, y, uint8, 4, -1, 2), ValueError);
  double z[5];
  randint(some, z, float64, 5, (int64(1) << 40) + 1, 1);
  EXPECT_EQ(z[4], double((int64(1) << 40) + 1));
}

TEST(Random, Permutation) {
  for (const int64 n : {0, 1, 2, 1000, 5000}) {
    std::vector<int64> y(std::size_t(n) + 1, -1);
    randperm(some, y.data(), n);
    EXPECT_EQ(y.back(), -1);
    y.pop_back();
    std::sort(y.begin(), y.end());
    for (int64 i = 0; i < n; ++i) ASSERT_EQ(y[std::size_t(i)], i);
  }
  double counts[6] = {};
  for (std::uint64_t seed = 0; seed < 60000; ++seed) {
    int64 y[3];
    randperm({seed, 0}, y, 3);
    counts[y[0] * 2 + (y[1] > y[2])] += 1;
  }
  for (const double count : counts) EXPECT_NEAR(count, 10000, 400);
}

}  // namespace
}  // namespace taper::cpu
