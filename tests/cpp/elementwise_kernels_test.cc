// Elementwise CPU kernels: accuracy against long double, special values, operand layouts, dtypes, integer
// corners.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "cpu/binary.h"
#include "cpu/convert.h"
#include "cpu/parallel.h"
#include "cpu/ternary.h"
#include "cpu/unary.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

namespace k = kernels;
using Complex = std::complex<double>;
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, std::int8_t>) return int8;
  if constexpr (std::is_same_v<T, std::uint8_t>) return uint8;
  if constexpr (std::is_same_v<T, std::int16_t>) return int16;
  if constexpr (std::is_same_v<T, std::int32_t>) return int32;
  if constexpr (std::is_same_v<T, std::int64_t>) return int64;
  if constexpr (std::is_same_v<T, std::uint64_t>) return uint64;
  if constexpr (std::is_same_v<T, Half>) return float16;
  if constexpr (std::is_same_v<T, BFloat16>) return bfloat16;
  if constexpr (std::is_same_v<T, float>) return float32;
  if constexpr (std::is_same_v<T, double>) return float64;
  if constexpr (std::is_same_v<T, std::complex<float>>) return complex64;
  if constexpr (std::is_same_v<T, Complex>) return complex128;
  if constexpr (std::is_same_v<T, char>) return boolean;
}

const std::int64_t unit_stride[] = {1};

/// kernel over equally long vectors, all dense.
template <class Out, class T, class... More>
std::vector<Out> apply(const Kernel& kernel, const void* attributes, const std::vector<T>& first,
                       const More&... more) {
  DType common = dtype_of<T>();
  if constexpr (sizeof...(more) > 0) {
    const DType others[] = {dtype_of<typename More::value_type>()...};
    if (kernel.condition) common = others[0];
  }
  std::vector<Out> out(first.size());
  auto operand = [](const auto& values) {
    using Value = typename std::decay_t<decltype(values)>::value_type;
    return Operand{const_cast<Value*>(values.data()), dtype_of<Value>(), unit_stride};
  };
  const Operand inputs[] = {operand(first), operand(more)...};
  map(kernel, {std::int64_t(first.size())}, inputs, int(1 + sizeof...(more)), common, operand(out),
      attributes);
  return out;
}

template <class T, class... More>
T one(const Kernel& kernel, const void* attributes, T x, More... more) {
  return apply<T>(kernel, attributes, std::vector<T>{x}, std::vector<T>{T(more)}...)[0];
}

template <class T>
void expect_same(T got, T want, const char* what) {
  if (want != want) {
    EXPECT_TRUE(got != got) << what << ": got " << got << ", wanted NaN";
  } else {
    EXPECT_EQ(got, want) << what;
  }
}

/// Distance in units of the last place of T at the exact value.
template <class T>
double ulps(T got, long double want) {
  const T rounded = T(want);
  if (std::isnan(rounded) || std::isnan(got)) return std::isnan(rounded) && std::isnan(got) ? 0 : 1e30;
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : 1e30;
  int exponent;
  std::frexp(want, &exponent);
  constexpr int digits = std::numeric_limits<T>::digits,
                least = std::numeric_limits<T>::min_exponent - digits;
  return double(std::fabs(got - want) / std::ldexp(1.0L, std::max(exponent - digits, least)));
}

struct Function {
  const Kernel* kernel;
  std::function<long double(long double)> exact;
  double full_ulps = 4;    // bound for float64; 0 where only float32 is promised
  double single_ulps = 2;  // bound for float32
};

long double softplus_exact(long double x) { return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)); }
long double gelu_tanh_exact(long double x) {
  const long double u = 2 * sqrtl(2 / M_PIl) * (x + 0.044715L * x * x * x);
  return x < -60 ? 0 : x / (1 + expl(-u));
}
long double sinc_exact(long double x) {
  const long double n = rintl(x), s = sinl(M_PIl * (x - n));
  return x == 0 ? 1 : (fmodl(n, 2) == 0 ? s : -s) / (M_PIl * x);
}

#define TAPER_CASE(name)                               \
  {                                                    \
    &k::name, [](long double x) { return name##l(x); } \
  }
const Function functions[] = {
    TAPER_CASE(exp),
    TAPER_CASE(exp2),
    TAPER_CASE(expm1),
    TAPER_CASE(log),
    TAPER_CASE(log2),
    TAPER_CASE(log10),
    TAPER_CASE(log1p),
    TAPER_CASE(sin),
    TAPER_CASE(cos),
    TAPER_CASE(tan),
    TAPER_CASE(asin),
    TAPER_CASE(acos),
    TAPER_CASE(atan),
    TAPER_CASE(sinh),
    TAPER_CASE(cosh),
    TAPER_CASE(tanh),
    TAPER_CASE(asinh),
    TAPER_CASE(acosh),
    TAPER_CASE(atanh),
    TAPER_CASE(erf),
    TAPER_CASE(erfc),
    TAPER_CASE(sqrt),
    TAPER_CASE(floor),
    TAPER_CASE(ceil),
    TAPER_CASE(trunc),
    {&k::round, [](long double x) { return rintl(x); }},
    {&k::rsqrt, [](long double x) { return 1 / sqrtl(x); }},
    {&k::reciprocal, [](long double x) { return 1 / x; }},
    {&k::sinc, sinc_exact},
    {&k::sigmoid, [](long double x) { return 1 / (1 + expl(-x)); }, 4, 2.5},
    {&k::silu, [](long double x) { return x == -inf ? 0 : x / (1 + expl(-x)); }, 4, 2.5},
    {&k::gelu, [](long double x) { return x < -50 ? 0 : x * erfcl(-x / sqrtl(2)) / 2; }, 0, 4},
    {&k::gelu_tanh, gelu_tanh_exact, 0},
    {&k::mish,
     [](long double x) { return x < -200  ? 0
                                : x < -40 ? x * expl(x)
                                          : x * tanhl(softplus_exact(x)); }, 0},
    {&k::log_sigmoid, [](long double x) { return -softplus_exact(-x); }},
    {&k::relu, [](long double x) { return x > 0    ? x
                                          : x == x ? 0
                                                   : x; }},
};
#undef TAPER_CASE

/// A spread of all float32 bit patterns, and a fine grid around 0.
std::vector<float> spread() {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < (1ull << 32); bits += 50021) {
    const auto word = std::uint32_t(bits);
    float value;
    std::memcpy(&value, &word, 4);
    x.push_back(value);
  }
  for (int i = -20000; i <= 20000; ++i) x.push_back(float(i) * 0.001f);
  for (float special : {0.f, inf, -inf, nan, 1.f, -1.f, 0.5f}) x.push_back(special);
  return x;
}

TEST(ElementwiseKernels, Float32IsWithinItsBound) {
  const std::vector<float> x = spread();
  for (const Function& function : functions) {
    const auto y = apply<float>(*function.kernel, nullptr, x);
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double distance = ulps(y[i], function.exact(x[i]));
      if (distance > worst) worst = distance, at = x[i];
    }
    EXPECT_LE(worst, function.single_ulps) << function.kernel->name << " at " << at;
  }
}

TEST(ElementwiseKernels, Float64IsWithinFourUlps) {
  std::vector<double> x;
  for (int i = -20000; i <= 20000; ++i) x.push_back(i * 0.00123456789);
  for (double special :
       {0., double(inf), -double(inf), double(nan), 1e-300, 5e-324, 1e300, 709.5, -745., 12345.678})
    x.push_back(special);
  for (const Function& function : functions) {
    if (function.full_ulps == 0) continue;
    const auto y = apply<double>(*function.kernel, nullptr, x);
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_LE(ulps(y[i], function.exact(x[i])), function.full_ulps)
          << function.kernel->name << " at " << x[i];
  }
}

// Every length around the vectors' widths, so that each tail is taken; nothing is written behind the end.
TEST(ElementwiseKernels, TailsAgreeWithWholeVectors) {
  std::vector<float> x(200);
  for (int i = 0; i < 200; ++i) x[i] = float(i) * 0.1f - 8;
  const auto whole = apply<float>(k::gelu, nullptr, x);
  for (std::int64_t n = 0; n < 70; ++n) {
    std::vector<float> y(200, 7);
    const Operand in{x.data(), float32, unit_stride}, out{y.data(), float32, unit_stride};
    map(k::gelu, {n}, &in, 1, float32, out);
    for (std::int64_t i = 0; i < 200; ++i) ASSERT_EQ(y[i], i < n ? whole[i] : 7) << n << ", " << i;
  }
}

struct Layout {
  Shape sizes, a, b, out;
};

// Against one plain nested loop.
void check_layout(const Layout& layout, DType dtype_a, DType dtype_b) {
  constexpr std::int64_t room = 40000, middle = 20000;
  std::vector<double> a(room), b(room), out(room, -1), expected(room, -1);
  auto set_all = [&](std::vector<double>& memory, DType dtype, int step) {
    for (std::int64_t i = 0; i < room; ++i) {
      const double value = double(i * step % 101);
      convert_run(float64, &value, 8, dtype, reinterpret_cast<char*>(memory.data()) + i * item_size(dtype), 8,
                  1);
    }
  };
  set_all(a, dtype_a, 7), set_all(b, dtype_b, 13);
  auto at = [&](std::vector<double>& memory, DType dtype, std::int64_t i) {
    return reinterpret_cast<char*>(memory.data()) + (middle + i) * item_size(dtype);
  };
  const Operand inputs[] = {{at(a, dtype_a, 0), dtype_a, layout.a.data()},
                            {at(b, dtype_b, 0), dtype_b, layout.b.data()}};
  map(k::sub, layout.sizes, inputs, 2, float64, {at(out, float64, 0), float64, layout.out.data()});
  const std::int64_t total = numel(layout.sizes);
  for (std::int64_t e = 0; e < total; ++e) {
    std::int64_t left = e, ia = 0, ib = 0, io = 0;
    for (int d = layout.sizes.size() - 1; d >= 0; --d) {
      const std::int64_t index = left % layout.sizes[d];
      left /= layout.sizes[d];
      ia += index * layout.a[d], ib += index * layout.b[d], io += index * layout.out[d];
    }
    double x, y;
    convert_run(dtype_a, at(a, dtype_a, ia), 8, float64, &x, 8, 1);
    convert_run(dtype_b, at(b, dtype_b, ib), 8, float64, &y, 8, 1);
    expected[std::size_t(middle + io)] = x - y;
  }
  EXPECT_EQ(out, expected) << concat(layout.sizes, " ", layout.a, " ", layout.b, " ", layout.out, " ",
                                     dtype_a);
}

TEST(ElementwiseKernels, EveryLayout) {
  const Layout layouts[] = {
      {{}, {}, {}, {}},
      {{0}, {1}, {1}, {1}},
      {{5}, {1}, {1}, {1}},
      {{5}, {0}, {0}, {1}},
      {{50}, {0}, {0}, {2}},
      {{100}, {-1}, {1}, {1}},
      {{3, 0, 4}, {4, 4, 1}, {4, 4, 1}, {4, 4, 1}},
      {{30, 40}, {40, 1}, {40, 1}, {40, 1}},
      {{30, 40}, {1, 30}, {40, 1}, {40, 1}},
      {{30, 40}, {1, 30}, {1, 30}, {1, 30}},
      {{30, 40}, {0, 1}, {1, 0}, {40, 1}},
      {{30, 40}, {0, 0}, {40, 1}, {80, 2}},
      {{7, 3, 50}, {150, 50, 1}, {0, 1, 0}, {1, 7, 21}},
      {{50, 7, 3}, {21, 3, 1}, {0, 3, 1}, {21, 3, 1}},
      {{2, 1, 3, 1, 5}, {15, 9, 5, 2, 1}, {15, 1, 5, 3, 1}, {15, 15, 5, 5, 1}},
      {{2, 3, 4, 5, 6, 2, 2},
       {1, 2, 6, 24, 120, 720, 1440},
       {1440, 480, 120, 24, 4, 2, 1},
       {1440, 480, 120, 24, 4, 2, 1}},
      {{2, 2500}, {2500, 1}, {1, 2}, {2500, 1}},
      {{70, 100}, {1, 70}, {100, 1}, {100, 1}},
      {{70, 100}, {100, 1}, {2, 150}, {200, 2}},
      {{3, 64, 33}, {0, 1, 64}, {1, 99, 3}, {2112, 33, 1}},
      {{1000, 3}, {3, 1}, {0, 1}, {3, 1}},
      {{1000, 3}, {3, 1}, {1, 0}, {6, 2}},
      {{5, 300, 3, 2}, {1800, 6, 2, 1}, {0, 1, 0, 300}, {1800, 6, 2, 1}},
  };
  for (const Layout& layout : layouts) {
    check_layout(layout, float64, float64);
    check_layout(layout, float32, float64);
    check_layout(layout, int8, float64);
    check_layout(layout, uint16, bfloat16);
    check_layout(layout, boolean, int64);
  }
}

TEST(ElementwiseKernels, InPlaceOnEitherInput) {
  for (const DType dtype : {float32, float16, int16, complex64}) {
    constexpr std::int64_t n = 3000;
    std::vector<double> a(2 * n), b(2 * n), c(2 * n);
    for (std::int64_t i = 0; i < n; ++i) {
      const double x = double(i % 50), y = double(i % 7);
      convert_run(float64, &x, 8, dtype, reinterpret_cast<char*>(a.data()) + i * item_size(dtype), 8, 1);
      convert_run(float64, &y, 8, dtype, reinterpret_cast<char*>(b.data()) + i * item_size(dtype), 8, 1);
    }
    const std::int64_t strides[] = {60, 1};
    const Operand inputs[] = {{a.data(), dtype, strides}, {b.data(), dtype, strides}};
    map(k::sub, {50, 60}, inputs, 2, dtype, {c.data(), dtype, strides});
    auto left = a;
    const Operand onto_left[] = {{left.data(), dtype, strides}, inputs[1]};
    map(k::sub, {50, 60}, onto_left, 2, dtype, onto_left[0]);
    auto right = b;
    const Operand onto_right[] = {inputs[0], {right.data(), dtype, strides}};
    map(k::sub, {50, 60}, onto_right, 2, dtype, onto_right[1]);
    const auto bytes = std::size_t(n * item_size(dtype));
    EXPECT_EQ(std::memcmp(left.data(), c.data(), bytes), 0) << name(dtype);
    EXPECT_EQ(std::memcmp(right.data(), c.data(), bytes), 0) << name(dtype);
  }
}

TEST(ElementwiseKernels, SameBitsForAnyNumberOfThreads) {
  constexpr std::int64_t n = 300007;
  std::vector<float> x(n);
  for (std::int64_t i = 0; i < n; ++i) x[i] = float(i % 9973) * 0.002f - 10;
  const int before = num_threads();
  set_num_threads(1);
  const auto serial = apply<float>(k::silu, nullptr, x);
  const auto serial_mixed = apply<Half>(k::exp, nullptr, x);
  set_num_threads(3);
  EXPECT_EQ(apply<float>(k::silu, nullptr, x), serial);
  const auto mixed = apply<Half>(k::exp, nullptr, x);
  EXPECT_EQ(std::memcmp(mixed.data(), serial_mixed.data(), n * 2), 0);
  set_num_threads(before);
}

// 2049 is no float16: PyTorch rounds the int64 operand to the common dtype before it computes.
TEST(ElementwiseKernels, OperandsAreRoundedToTheCommonDtype) {
  std::vector<std::int64_t> whole{2049};
  std::vector<Half> half{Half(1.f)};
  std::vector<float> out(1);
  const Operand inputs[] = {{whole.data(), int64, unit_stride}, {half.data(), float16, unit_stride}};
  map(k::add, {1}, inputs, 2, float16, {out.data(), float32, unit_stride});
  EXPECT_EQ(out[0], 2049.f);  // 2048 + 1
}

TEST(ElementwiseKernels, IntegersWrapInTheirOwnWidth) {
  EXPECT_EQ(one<std::int8_t>(k::add, nullptr, 127, 1), -128);
  EXPECT_EQ(one<std::int16_t>(k::mul, nullptr, 300, 300), std::int16_t(90000));
  EXPECT_EQ(one<std::int32_t>(k::add, nullptr, INT32_MAX, 1), INT32_MIN);
  EXPECT_EQ(one<std::int64_t>(k::add, nullptr, INT64_MAX, 1), INT64_MIN);
  EXPECT_EQ(one<std::uint8_t>(k::sub, nullptr, 3, 5), 254);
  EXPECT_EQ(one<std::int64_t>(k::neg, nullptr, INT64_MIN), INT64_MIN);
  EXPECT_EQ(one<std::int64_t>(k::abs, nullptr, INT64_MIN), INT64_MIN);
  EXPECT_EQ(one<std::uint8_t>(k::bitwise_not, nullptr, 5), 250);
  EXPECT_EQ(one<char>(k::bitwise_not, nullptr, 1), 0);
  EXPECT_EQ(one<char>(k::add, nullptr, 1, 1), 1);
}

TEST(ElementwiseKernels, IntegerDivision) {
  using I = std::int64_t;
  const struct {
    I a, b, floored, truncated, modulus, rest;
  } rows[] = {{7, 2, 3, 3, 1, 1},
              {-7, 2, -4, -3, 1, -1},
              {7, -2, -4, -3, -1, 1},
              {-7, -2, 3, 3, -1, -1},
              {6, 3, 2, 2, 0, 0},
              {-6, 3, -2, -2, 0, 0},
              {INT64_MIN, -1, INT64_MIN, INT64_MIN, 0, 0}};
  for (const auto& row : rows) {
    EXPECT_EQ(one<I>(k::floor_divide, nullptr, row.a, row.b), row.floored);
    EXPECT_EQ(one<I>(k::trunc_divide, nullptr, row.a, row.b), row.truncated);
    EXPECT_EQ(one<I>(k::remainder, nullptr, row.a, row.b), row.modulus);
    EXPECT_EQ(one<I>(k::fmod, nullptr, row.a, row.b), row.rest);
  }
  EXPECT_EQ(one<std::uint64_t>(k::floor_divide, nullptr, UINT64_MAX, 2), UINT64_MAX / 2);
  for (const Kernel* kernel : {&k::floor_divide, &k::trunc_divide, &k::remainder, &k::fmod}) {
    try {
      one<std::int32_t>(*kernel, nullptr, 1, 0);
      ADD_FAILURE() << kernel->name << " by zero returned";
    } catch (const ValueError& error) {
      EXPECT_EQ(error.what(), concat(kernel->name, ": integer division by zero"));
    }
  }
}

TEST(ElementwiseKernels, FloatDivision) {
  EXPECT_EQ(one<float>(k::floor_divide, nullptr, 7.f, -2.f), -4.f);
  EXPECT_EQ(one<float>(k::remainder, nullptr, -7.f, 2.f), 1.f);
  EXPECT_EQ(one<float>(k::fmod, nullptr, -7.f, 2.f), -1.f);
  EXPECT_EQ(one<double>(k::floor_divide, nullptr, 1., 0.1), 9.);  // 0.1 is more than a tenth
  EXPECT_EQ(one<float>(k::floor_divide, nullptr, 1.f, 0.f), inf);
  EXPECT_TRUE(std::isnan(one<float>(k::remainder, nullptr, 1.f, 0.f)));
}

// Float32 against float64, whose functions go through fmod.
TEST(ElementwiseKernels, FloatDivisionOfManyPairs) {
  std::vector<float> a, b;
  const float values[] = {0,      -0.f,   1,     3,        0.1f,        7.5f, 1e-3f,
                          1e-30f, 1e-45f, 3e38f, 16777215, 123456.789f, inf,  nan};
  for (const float x : values)
    for (const float y : values)
      for (const int signs : {0, 1, 2, 3}) a.push_back(signs & 1 ? -x : x), b.push_back(signs & 2 ? -y : y);
  for (int i = 0; i < 20000; ++i)
    a.push_back(float(i - 10000) * 0.37f), b.push_back(float(i % 97 - 48) * 0.11f + 0.01f);
  for (int i = 1; i < 20000; ++i)
    b.push_back(float(i) * 0.013f), a.push_back(b.back() * float(i % 1000));  // near whole
  const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
  for (const Kernel* kernel : {&k::floor_divide, &k::remainder, &k::fmod}) {
    const auto got = apply<float>(*kernel, nullptr, a, b);
    const auto want = apply<double>(*kernel, nullptr, wide_a, wide_b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      expect_same(got[i], float(want[i]), concat(kernel->name, " ", double(a[i]), " ", double(b[i])).c_str());
      if (got[i] == 0) {
        ASSERT_EQ(std::signbit(got[i]), std::signbit(want[i])) << kernel->name << a[i] << " " << b[i];
      }
    }
  }
}

TEST(ElementwiseKernels, IntegerPowersShiftsAndDivisors) {
  EXPECT_EQ(one<std::int64_t>(k::pow, nullptr, -3, 5), -243);
  EXPECT_EQ(one<std::int8_t>(k::pow, nullptr, 2, 7), -128);
  EXPECT_EQ(one<std::int64_t>(k::pow, nullptr, 3, 64), std::int64_t(0x7932278c797ebd01ull));
  EXPECT_EQ(one<std::int64_t>(k::pow, nullptr, 2, -1), 0);
  EXPECT_EQ(one<std::int64_t>(k::pow, nullptr, -1, -3), -1);
  const Factor minus_one{-1};
  EXPECT_THROW(one<std::int32_t>(k::pow_scalar, &minus_one, 2), ValueError);
  EXPECT_EQ(one<std::int64_t>(k::left_shift, nullptr, 1, 62), std::int64_t(1) << 62);
  EXPECT_EQ(one<std::int64_t>(k::left_shift, nullptr, 1, 64), 0);
  EXPECT_EQ(one<std::int64_t>(k::left_shift, nullptr, 1, -1), 0);
  EXPECT_EQ(one<std::int8_t>(k::left_shift, nullptr, 1, 9), 0);
  EXPECT_EQ(one<std::int64_t>(k::right_shift, nullptr, -8, 1), -4);
  EXPECT_EQ(one<std::int64_t>(k::right_shift, nullptr, -8, 100), -1);
  EXPECT_EQ(one<std::int64_t>(k::right_shift, nullptr, 8, 100), 0);
  EXPECT_EQ(one<std::int64_t>(k::gcd, nullptr, -12, 18), 6);
  EXPECT_EQ(one<std::int64_t>(k::gcd, nullptr, INT64_MIN, 0), INT64_MIN);
  EXPECT_EQ(one<std::int64_t>(k::lcm, nullptr, -4, 6), 12);
  EXPECT_EQ(one<std::int64_t>(k::lcm, nullptr, 0, 0), 0);
}

TEST(ElementwiseKernels, FloatPowersAsC99) {
  const std::vector<float> values{0.f, -0.f, 1.f, -1.f, 0.5f, -0.5f, 2.f,    -2.f,
                                  3.f, -3.f, inf, -inf, nan,  1e30f, 1e-40f, 17.25f};
  for (const float x : values)
    for (const float y : values) {
      const float got = one<float>(k::pow, nullptr, x, y);
      EXPECT_LE(ulps(got, powl(x, y)), 2) << x << " ** " << y << " = " << got;
      if (got == 0) {
        EXPECT_EQ(std::signbit(got), std::signbit(std::pow(x, y))) << x << " ** " << y;
      }
      const Factor exponent{double(y)};
      const bool root = y == 0.5f || y == -0.5f;  // sqrt(-inf) is NaN, as PyTorch has it
      if (!(root && (x == -inf || x == 0)))
        expect_same(one<float>(k::pow_scalar, &exponent, x), got,
                    concat("pow_scalar ", double(x), " ", double(y)).c_str());
    }
}

TEST(ElementwiseKernels, TwoOperandMathematics) {
  const std::vector<float> values{0.f, -0.f, 1.f, -1.f,  0.3f,    -700.f, 700.f,
                                  inf, -inf, nan, 1e30f, -1e-30f, 3e38f};
  for (const float x : values)
    for (const float y : values) {
      EXPECT_LE(ulps(one<float>(k::atan2, nullptr, x, y), atan2l(x, y)), 2) << x << " " << y;
      EXPECT_LE(ulps(one<float>(k::hypot, nullptr, x, y), hypotl(x, y)), 2) << x << " " << y;
      expect_same(one<float>(k::copysign, nullptr, x, y), std::copysign(x, y), "copysign");
      expect_same(one<float>(k::fmax, nullptr, x, y), std::fmax(x, y), "fmax");
      expect_same(one<float>(k::fmin, nullptr, x, y), std::fmin(x, y), "fmin");
      expect_same(one<float>(k::maximum, nullptr, x, y), x != x || y != y ? nan : std::max(x, y), "maximum");
      expect_same(one<float>(k::minimum, nullptr, x, y), x != x || y != y ? nan : std::min(x, y), "minimum");
      const long double m = std::fmax(x, y);
      const long double sum = x != x || y != y ? nan
                              : std::isinf(m)  ? m
                                               : m + log1pl(expl(-fabsl((long double)x - y)));
      EXPECT_LE(ulps(one<float>(k::logaddexp, nullptr, x, y), sum), 2) << x << " " << y;
      const long double product = x == 0 && y == y ? 0 : (long double)x * logl(y);
      EXPECT_LE(ulps(one<float>(k::xlogy, nullptr, x, y), product), 2) << x << " " << y;
    }
}

TEST(ElementwiseKernels, ComparisonsAreExact) {
  const std::int64_t big = (std::int64_t(1) << 53) + 1;
  EXPECT_EQ(
      apply<char>(k::eq, nullptr, std::vector<std::int64_t>{big}, std::vector<std::int64_t>{big - 1})[0], 0);
  EXPECT_EQ(apply<char>(k::gt, nullptr, std::vector<std::uint64_t>{UINT64_MAX},
                        std::vector<std::uint64_t>{UINT64_MAX - 1})[0],
            1);
  EXPECT_EQ(apply<char>(k::lt, nullptr, std::vector<float>{nan}, std::vector<float>{1.f})[0], 0);
  EXPECT_EQ(apply<char>(k::ne, nullptr, std::vector<float>{nan}, std::vector<float>{nan})[0], 1);
  EXPECT_EQ(apply<float>(k::ge, nullptr, std::vector<float>{2.f}, std::vector<float>{1.f})[0], 1.f);
  EXPECT_FALSE(supports(k::lt, complex64));
  EXPECT_THROW(apply<char>(k::lt, nullptr, std::vector<Complex>{1}, std::vector<Complex>{1}), DTypeError);
}

TEST(ElementwiseKernels, WhereTakesAnyConditionAndType) {
  const std::vector<float> condition{0, 2, nan, -0.f};
  const std::vector<std::complex<float>> a{1, 2, 3, {4, 5}}, b{-1, -2, -3, -4};
  const auto y = apply<std::complex<float>>(k::where, nullptr, condition, a, b);
  EXPECT_EQ(y, (std::vector<std::complex<float>>{-1, 2, 3, -4}));
  const std::vector<std::int16_t> c{1, 2}, d{3, 4};
  EXPECT_EQ(apply<std::int16_t>(k::where, nullptr, std::vector<char>{1, 0}, c, d),
            (std::vector<std::int16_t>{1, 4}));
}

TEST(ElementwiseKernels, Clamping) {
  const Bounds both{-1, 2, true, true}, low{0, 0, true, false}, negative{-5, 300, true, true};
  EXPECT_EQ(one<float>(k::clamp_scalar, &both, 3.f), 2.f);
  EXPECT_TRUE(std::isnan(one<float>(k::clamp_scalar, &both, nan)));
  EXPECT_EQ(one<std::int64_t>(k::clamp_scalar, &low, -3), 0);
  EXPECT_EQ(one<std::uint8_t>(k::clamp_scalar, &negative, 3), 3);
  EXPECT_EQ(one<float>(k::clamp, nullptr, 3.f, 0.f, 2.f), 2.f);
  EXPECT_TRUE(std::isnan(one<float>(k::clamp, nullptr, 1.f, nan, 2.f)));
  EXPECT_TRUE(std::isnan(one<float>(k::clamp, nullptr, nan, 0.f, 2.f)));
}

TEST(ElementwiseKernels, Rounding) {
  for (const auto& [x, y] :
       {std::pair{0.5f, 0.f}, {1.5f, 2.f}, {2.5f, 2.f}, {-0.5f, -0.f}, {8388609.f, 8388609.f}})
    EXPECT_EQ(one<float>(k::round, nullptr, x), y);
  const Decimals two{2}, hundreds{-2};
  EXPECT_EQ(one<double>(k::round, &two, 3.14159), 3.14);
  EXPECT_EQ(one<double>(k::round, &hundreds, 1250.), 1200.);
  EXPECT_EQ(one<std::int64_t>(k::round, &hundreds, 1250), 1200);
  EXPECT_EQ(one<std::int64_t>(k::round, &hundreds, -1251), -1300);
  EXPECT_EQ(one<float>(k::sign, nullptr, -3.f), -1.f);
  EXPECT_TRUE(std::isnan(one<float>(k::sign, nullptr, nan)));
}

TEST(ElementwiseKernels, ComplexNumbers) {
  const std::vector<std::complex<float>> z{{3, -4}};
  EXPECT_EQ(apply<float>(k::abs, nullptr, z)[0], 5.f);
  EXPECT_EQ(apply<float>(k::real, nullptr, z)[0], 3.f);
  EXPECT_EQ(apply<float>(k::imag, nullptr, z)[0], -4.f);
  EXPECT_EQ(apply<std::complex<float>>(k::conj, nullptr, z)[0], (std::complex<float>{3, 4}));
  EXPECT_EQ(apply<std::complex<float>>(k::mul, nullptr, z, z)[0], (std::complex<float>{-7, -24}));
  EXPECT_EQ(apply<std::complex<float>>(k::complex, nullptr, std::vector<float>{1}, std::vector<float>{2})[0],
            (std::complex<float>{1, 2}));
  const auto polar = apply<Complex>(k::polar, nullptr, std::vector<double>{2}, std::vector<double>{0.5});
  EXPECT_NEAR(std::abs(polar[0] - std::polar(2., 0.5)), 0, 1e-15);
  EXPECT_EQ(one<Complex>(k::pow, nullptr, Complex(0), Complex(0)), Complex(1));
  EXPECT_NEAR(std::abs(one<Complex>(k::log1p, nullptr, Complex(1e-12, 1e-12)) - Complex(1e-12, 1e-12)), 0,
              1e-23);
}

// Central differences of the activation in float64.
TEST(ElementwiseKernels, GradientsMatchDifferences) {
  const SoftplusShape softplus{2, 20};
  const EluShape elu{1.5, 1.1, 0.7};
  const Slope slope{0.2};
  const Interval interval{-1.5, 2};
  const Bounds bounds{-1.5, 2, true, true};
  const Shrink shrink{0.7};
  const Threshold threshold{0.4, -3};
  const struct {
    const Kernel *forward, *backward;
    const void* attributes;
    bool from_output;
  } rows[] = {{&k::tanh, &k::tanh_backward, nullptr, true},
              {&k::sigmoid, &k::sigmoid_backward, nullptr, true},
              {&k::reciprocal, &k::reciprocal_backward, nullptr, true},
              {&k::relu, &k::relu_backward, nullptr, true},
              {&k::gelu, &k::gelu_backward, nullptr, false},
              {&k::gelu_tanh, &k::gelu_tanh_backward, nullptr, false},
              {&k::silu, &k::silu_backward, nullptr, false},
              {&k::mish, &k::mish_backward, nullptr, false},
              {&k::hardswish, &k::hardswish_backward, nullptr, false},
              {&k::hardsigmoid, &k::hardsigmoid_backward, nullptr, false},
              {&k::log_sigmoid, &k::log_sigmoid_backward, nullptr, false},
              {&k::softsign, &k::softsign_backward, nullptr, false},
              {&k::tanhshrink, &k::tanhshrink_backward, nullptr, false},
              {&k::softplus, &k::softplus_backward, &softplus, false},
              {&k::leaky_relu, &k::leaky_relu_backward, &slope, false},
              {&k::elu, &k::elu_backward, &elu, false},
              {&k::hardtanh, &k::hardtanh_backward, &interval, false},
              {&k::clamp_scalar, &k::clamp_backward, &bounds, false},
              {&k::hardshrink, &k::hardshrink_backward, &shrink, false},
              {&k::softshrink, &k::softshrink_backward, &shrink, false},
              {&k::threshold, &k::threshold_backward, &threshold, false}};
  const double h = 1e-5;
  for (const auto& row : rows)
    for (const double x : {-7.3, -2.9, -1.1, -0.31, 0.05, 0.33, 0.9, 1.7, 2.6, 5.2, 11.0}) {
      const double y = one<double>(*row.forward, row.attributes, x);
      const double slope_of = (one<double>(*row.forward, row.attributes, x + h) -
                               one<double>(*row.forward, row.attributes, x - h)) /
                              (2 * h);
      const double dx = one<double>(*row.backward, row.attributes, 3., row.from_output ? y : x);
      EXPECT_NEAR(dx, 3 * slope_of, 1e-7 * (1 + std::abs(dx))) << row.backward->name << " at " << x;
      const float single = one<float>(*row.backward, row.attributes, 3.f, float(row.from_output ? y : x));
      EXPECT_NEAR(single, dx, 2e-5 * (1e-2 + std::abs(dx))) << row.backward->name << " float32 at " << x;
    }
}

TEST(ElementwiseKernels, Conversions) {
  for (int bits = 0; bits < 65536; ++bits) {  // in vectors as one by one
    Half half;
    half.bits = std::uint16_t(bits);
    std::vector<Half> many(19, half), back(19);
    std::vector<float> wide(19);
    convert_run(float16, many.data(), 2, float32, wide.data(), 4, 19);
    expect_same(wide[3], float(half), "widen");
    convert_run(float32, wide.data(), 4, float16, back.data(), 2, 19);
    if (wide[3] == wide[3]) {
      ASSERT_EQ(back[3].bits, bits);
    }
  }
  std::vector<float> x{nan, inf, -inf, 3e9f, -3e9f, 300.f, -1.f, 2.9f, -2.9f};
  std::vector<std::int32_t> i(x.size());
  std::vector<std::uint8_t> u(x.size());
  std::vector<char> b(x.size());
  convert_run(float32, x.data(), 4, int32, i.data(), 4, std::int64_t(x.size()));
  convert_run(float32, x.data(), 4, uint8, u.data(), 1, std::int64_t(x.size()));
  convert_run(float32, x.data(), 4, boolean, b.data(), 1, std::int64_t(x.size()));
  EXPECT_EQ(
      i, (std::vector<std::int32_t>{INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, 300, -1, 2, -2}));
  EXPECT_EQ(u[5], 44);
  EXPECT_EQ(b, std::vector<char>(x.size(), 1));
}

TEST(ElementwiseKernels, CopiesTransposeAndFill) {
  for (const DType dtype : {uint8, bfloat16, float32, float64, complex128}) {
    const std::int64_t size = item_size(dtype), rows = 37, columns = 53, planes = 3;
    std::vector<char> source(std::size_t(rows * columns * planes * size)), target(source.size()),
        back(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) source[i] = char(i * 31 % 113);
    const std::int64_t straight[] = {rows * columns, columns, 1}, turned[] = {rows * columns, 1, rows};
    const Shape sizes{planes, rows, columns};
    copy(sizes, {source.data(), dtype, straight}, {target.data(), dtype, turned});
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        ASSERT_EQ(std::memcmp(&source[(r * columns + c) * size], &target[(c * rows + r) * size], size), 0);
    copy(sizes, {target.data(), dtype, turned}, {back.data(), dtype, straight});
    EXPECT_EQ(back, source);
  }
  std::vector<float> filled(10, 1.f);
  const std::int64_t every_third[] = {3};
  fill({3}, {filled.data(), float32, every_third}, Scalar(2.5));
  EXPECT_EQ(filled, (std::vector<float>{2.5f, 1, 1, 2.5f, 1, 1, 2.5f, 1, 1, 1}));
}

TEST(ElementwiseKernels, SpecialFunctionsAtKnownPoints) {
  EXPECT_NEAR(one<double>(k::erfinv, nullptr, 0.5), 0.47693627620446987, 1e-16);
  for (const double y : {1e-12, 0.01, 0.3, 0.9, 2., 4., 5.5})
    EXPECT_NEAR(one<double>(k::erfinv, nullptr, std::erf(y)), y, 1e-15 * (1 + std::exp(y * y))) << y;
  EXPECT_EQ(one<float>(k::erfinv, nullptr, 1.f), inf);
  EXPECT_TRUE(std::isnan(one<float>(k::erfinv, nullptr, 1.5f)));
  EXPECT_NEAR(one<double>(k::digamma, nullptr, 1.), -0.57721566490153286, 1e-15);
  EXPECT_NEAR(one<double>(k::digamma, nullptr, -0.5), 0.03648997397857652, 1e-14);
  EXPECT_EQ(one<float>(k::digamma, nullptr, 0.f), -inf);
  EXPECT_TRUE(std::isnan(one<float>(k::digamma, nullptr, -3.f)));
  EXPECT_NEAR(one<float>(k::lgamma, nullptr, 10.5f), 13.940625f, 1e-5);
  EXPECT_NEAR(one<double>(k::logit, nullptr, 0.5 + 0x1p-33), 0x1p-31, 1e-25);
  const Epsilon eps{0.1};
  EXPECT_NEAR(one<double>(k::logit, &eps, 0.), std::log(0.1 / 0.9), 1e-15);
}

}  // namespace
}  // namespace taper::cpu
