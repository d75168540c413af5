// Reductions against plain loops in long double, over dtypes, strides, dimension sets and thread counts.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "cpu/reduce.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
using Real = long double;
constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

template <class T>
inline constexpr bool is_complex_type =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;

template <class T>
constexpr DType dtype_of() {
  DType found{};
  for (int i = 0; i < dtype_count; ++i) {
    visit(DType(i), [&]<class U>() {
      if constexpr (std::is_same_v<T, U>) found = DType(i);
    });
  }
  return found;
}

/// A strided input: sizes, strides and the elements they reach.
struct Layout {
  Shape sizes, strides;
};

int64 span(const Layout& layout) {
  int64 last = 0;
  for (int i = 0; i < layout.sizes.size(); ++i) last += (layout.sizes[i] - 1) * layout.strides[i];
  return numel(layout.sizes) ? last + 1 : 0;
}

/// The elements of each result, in the row-major order of the reduced dimensions.
std::vector<std::vector<int64>> groups(const Layout& layout, std::uint64_t reduced) {
  int64 results = 1;
  for (int i = 0; i < layout.sizes.size(); ++i) results *= reduced >> i & 1 ? 1 : layout.sizes[i];
  std::vector<std::vector<int64>> lists;
  lists.resize(std::size_t(results));
  const int64 n = numel(layout.sizes);
  for (int64 flat = 0; flat < n; ++flat) {
    int64 rest = flat, offset = 0, group = 0, scale = 1;
    for (int i = layout.sizes.size(); i--;) {
      const int64 index = rest % layout.sizes[i];
      rest /= layout.sizes[i];
      offset += index * layout.strides[i];
      if (!(reduced >> i & 1)) group += index * scale, scale *= layout.sizes[i];
    }
    lists[std::size_t(group)].push_back(offset);
  }
  return lists;
}

/// std::vector<bool> has no data(); bools are tested as bytes that hold 0 or 1.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;

template <class T>
std::vector<Stored<T>> numbers(int64 n, std::uint32_t seed, double spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, spread);
  std::vector<Stored<T>> x(static_cast<std::size_t>(n));
  for (auto& value : x) {
    if constexpr (is_complex_type<T>) value = T(normal(random), normal(random));
    else if constexpr (std::is_same_v<T, bool>) value = normal(random) > 0;
    else if constexpr (std::is_integral_v<T>)
      value = T(std::is_signed_v<T> ? normal(random) : std::fabs(normal(random)));
    else value = T(float(normal(random)));
  }
  return x;
}

std::vector<Layout> layouts() {
  return {
      {{}, {}},
      {{1}, {1}},
      {{5}, {1}},
      {{1000}, {1}},
      {{1000}, {3}},
      {{3, 4}, {4, 1}},
      {{70, 33}, {33, 1}},
      {{70, 33}, {1, 70}},
      {{33, 700}, {700, 1}},
      {{700, 3}, {3, 1}},
      {{2000, 2}, {2, 1}},
      {{600, 5}, {7, 1}},
      {{4, 5, 6}, {30, 6, 1}},
      {{4, 50, 6}, {1, 24, 4}},
      {{3, 7, 5, 11}, {385, 55, 11, 1}},
      {{3, 7, 5, 11}, {1, 33, 231, 3}},
      {{6, 40}, {0, 1}},
      {{40, 6}, {1, 0}},
      {{2, 1, 900}, {900, 5, 1}},
      {{100, 600}, {1200, 2}},
      {{300, 300}, {300, 1}},
  };
}

using Operation = std::function<void(const Reduction&)>;

template <class T, class Out, class Reference>
void compare(const char* what, const Operation& op, double tolerance, const Reference& reference) {
  std::uint32_t seed = 0;
  for (const Layout& layout : layouts()) {
    const auto x = numbers<T>(span(layout), ++seed);
    for (std::uint64_t reduced = 0; reduced < (1u << layout.sizes.size()); ++reduced) {
      const auto lists = groups(layout, reduced);
      std::vector<Stored<Out>> y(lists.size());
      op({x.data(), dtype_of<T>(), layout.sizes, layout.strides, reduced, y.data(), dtype_of<Out>()});
      for (std::size_t i = 0; i < y.size(); ++i) {
        std::vector<Stored<T>> values;
        for (const int64 offset : lists[i]) values.push_back(x[std::size_t(offset)]);
        const auto [expected, scale] = reference(values);
        if constexpr (is_complex_type<Out>) {
          ASSERT_LE(std::abs(std::complex<double>(y[i]) - std::complex<double>(expected)),
                    tolerance * double(scale))
              << what << " " << concat(dtype_of<T>(), layout.sizes, layout.strides) << reduced;
        } else {
          const double got = double(y[i]), want = double(expected);
          ASSERT_TRUE(got == want || std::fabs(got - want) <= tolerance * double(scale))
              << what << " " << concat(dtype_of<T>(), layout.sizes, layout.strides) << " " << reduced << ": "
              << got << " " << want;
        }
      }
    }
  }
}

template <class T>
auto sum_of(const std::vector<T>& values) {
  Real total = 0, scale = 1;
  for (const T value : values) total += Real(value), scale += std::fabs(Real(value));
  return std::pair(total, scale);
}

template <class T>
double tolerance_of() {
  return std::is_same_v<T, double>     ? 1e-15
         : std::is_same_v<T, Half>     ? 5e-4
         : std::is_same_v<T, BFloat16> ? 4e-3
                                       : 6e-8;
}

TEST(Reduce, SumOfEveryType) {
  const auto run = []<class T, class Out>(double tolerance) {
    compare<T, Out>("sum", sum, tolerance, [](const auto& values) { return sum_of(values); });
  };
  run.operator()<bool, int64>(0);
  run.operator()<std::uint8_t, int64>(0);
  run.operator()<std::int8_t, int64>(0);
  run.operator()<std::int16_t, int64>(0);
  run.operator()<std::int32_t, std::int32_t>(0);
  run.operator()<int64, int64>(0);
  run.operator()<std::uint16_t, int64>(0);
  run.operator()<std::uint32_t, int64>(0);
  run.operator()<std::uint64_t, std::uint64_t>(0);
  run.operator()<Half, Half>(5e-4);
  run.operator()<BFloat16, float>(6e-8);
  run.operator()<float, float>(6e-8);
  run.operator()<float, double>(1e-15);
  run.operator()<double, double>(1e-15);
  run.operator()<int64, float>(6e-8);
  const auto complex_sum = [](const auto& values) {
    std::complex<double> total = 0;
    double scale = 1;
    for (const auto value : values)
      total += std::complex<double>(value), scale += std::abs(std::complex<double>(value));
    return std::pair(total, scale);
  };
  compare<std::complex<float>, std::complex<float>>("sum", sum, 1e-7, complex_sum);
  compare<std::complex<double>, std::complex<double>>("sum", sum, 1e-15, complex_sum);
}

TEST(Reduce, MeanProductAndNanSum) {
  const auto mean_of = [](const auto& values) {
    const auto [total, scale] = sum_of(values);
    return std::pair(total / values.size(), scale);
  };
  compare<float, float>("mean", mean, 6e-8, mean_of);
  compare<std::uint8_t, float>("mean", mean, 6e-8, mean_of);
  compare<BFloat16, BFloat16>("mean", mean, 4e-3, mean_of);
  compare<double, double>("nansum", nansum, 1e-15, [](const auto& values) { return sum_of(values); });
  compare<int64, int64>("prod", prod, 0, [](const auto& values) {
    std::uint64_t product = 1;
    for (const int64 value : values) product *= std::uint64_t(value);
    return std::pair(int64(product), 1);
  });
  compare<double, double>("prod", prod, 1e-12, [](const auto& values) {
    Real product = 1;
    for (const double value : values) product *= value;
    return std::pair(product, std::isfinite(double(product)) ? std::fabs(product) : Real(0));
  });
}

TEST(Reduce, VarianceAndItsMean) {
  const auto reference = [](const auto& values) {
    const Real center = sum_of(values).first / values.size();
    Real distances = 0;
    for (const auto value : values) distances += (Real(value) - center) * (Real(value) - center);
    const Real variance = values.size() == 1 ? Real(0) : distances / (values.size() - 1);
    return std::pair(variance, variance + 1e-3);
  };
  const Operation op = [](const Reduction& r) {
    var(r, 1);
    std::vector<double> average(100000);
    if (r.dtype == float64) {  // a variance of one element is NaN; the reference says 0
      var(r, 1, average.data());
    }
    auto* y = static_cast<double*>(r.y);
    int64 results = 1;
    for (int i = 0; i < r.sizes.size(); ++i) results *= r.reduced >> i & 1 ? 1 : r.sizes[i];
    for (int64 i = 0; i < results; ++i) y[i] = std::isnan(y[i]) ? 0 : y[i];
  };
  compare<double, double>("var", op, 1e-13, reference);
  compare<float, double>("var", op, 1e-13, reference);
}

TEST(Reduce, VarianceFarFromZero) {
  std::vector<float> x(1 << 20);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1e6f + float(i % 2);
  float y = 0, average = 0;
  var({x.data(), float32, {1 << 20}, {1}, 1, &y, float32}, 0, &average);
  EXPECT_EQ(y, 0.25f);
  EXPECT_EQ(average, 1e6f + 0.5f);
  var({x.data(), float32, {1 << 10, 1 << 10}, {1, 1 << 10}, 3, &y, float32}, 0, &average);
  EXPECT_EQ(y, 0.25f);
  const std::complex<float> z[3] = {{1, 2}, {3, 5}, {5, 2}};
  std::complex<float> z_mean;
  var({z, complex64, {3}, {1}, 1, &y, float32}, 1, &z_mean);
  EXPECT_FLOAT_EQ(y, 7.f);
  EXPECT_EQ(z_mean, std::complex<float>(3, 3));
}

TEST(Reduce, Norms) {
  for (const double p : {0., 1., 2., 3., -1., infinity, -infinity}) {
    const auto reference = [p](const auto& values) {
      Real total = p == -infinity ? infinity : 0;
      for (const auto value : values) {
        const Real size = std::abs(std::complex<Real>(value));
        if (p == 0) total += size != 0;
        else if (std::isinf(p)) total = p > 0 ? std::max(total, size) : std::min(total, size);
        else total += std::pow(size, Real(p));
      }
      if (p != 0 && !std::isinf(p)) total = std::pow(total, 1 / Real(p));
      return std::pair(total, std::fabs(total));
    };
    const Operation op = [p](const Reduction& r) { norm(r, p); };
    compare<float, float>("norm", op, 1e-7, reference);
    compare<double, double>("norm", op, 1e-14, reference);
    compare<std::complex<float>, float>("norm", op, 1e-7, reference);
  }
}

TEST(Reduce, LogSumExp) {
  const auto reference = [](const auto& values) {
    Real total = 0;
    for (const auto value : values) total += std::exp(Real(value));
    return std::pair(std::log(total), Real(1) + std::fabs(std::log(total)));
  };
  compare<float, float>("logsumexp", logsumexp, 2e-7, reference);
  compare<double, double>("logsumexp", logsumexp, 1e-14, reference);
}

template <class T>
void compare_order() {
  using S = Stored<T>;
  const auto pick = [](bool largest) {
    return [largest](const auto& values) {
      std::size_t best = 0;
      for (std::size_t i = 1; i < values.size(); ++i) {
        if (largest ? values[i] > values[best] : values[i] < values[best]) best = i;
      }
      return best;
    };
  };
  for (const bool largest : {false, true}) {
    const auto value = [&](const std::vector<S>& values) {
      return std::pair(double(values[pick(largest)(values)]), 1);
    };
    const auto place = [&](const std::vector<S>& values) {
      return std::pair(double(pick(largest)(values)), 1);
    };
    compare<T, T>("order", largest ? max : min, 0, value);
    compare<T, int64>("arg", largest ? argmax : argmin, 0, place);
    std::vector<int64> indices(100000);
    compare<T, T>(
        "pair",
        [&](const Reduction& r) { (largest ? max_with_indices : min_with_indices)(r, indices.data()); }, 0,
        value);
  }
}

TEST(Reduce, OrderOfEveryType) {
  compare_order<bool>();
  compare_order<std::uint8_t>();
  compare_order<std::int8_t>();
  compare_order<std::int16_t>();
  compare_order<std::int32_t>();
  compare_order<int64>();
  compare_order<std::uint64_t>();
  compare_order<Half>();
  compare_order<BFloat16>();
  compare_order<float>();
  compare_order<double>();
}

TEST(Reduce, IndicesOfLongRowsAndColumns) {
  constexpr int64 n = 300000;
  auto x = numbers<float>(2 * n, 7);
  x[123456] = 100, x[200000] = 100, x[n + 4321] = 200;
  float values[2];
  int64 places[2];
  max_with_indices({x.data(), float32, {2, n}, {n, 1}, 2, values, float32}, places);
  EXPECT_EQ(places[0], 123456);
  EXPECT_EQ(places[1], 4321);
  EXPECT_EQ(values[1], 200);
  max_with_indices({x.data(), float32, {n, 2}, {1, n}, 1, values, float32}, places);
  EXPECT_EQ(places[0], 123456);
  argmax({x.data(), float32, {n, 2}, {2, 1}, 1, places, DType::int64});
  EXPECT_EQ(places[0], 123456 / 2);
}

TEST(Reduce, NanWins) {
  for (const int64 n : {3, 40, 5000, 200000}) {
    for (const int64 at : {int64(0), n / 2, n - 1}) {
      auto x = numbers<float>(n, 3);
      x[std::size_t(at)] = float(nan);
      for (const auto& [sizes, strides] : {Layout{{n}, {1}}, Layout{{n, 1}, {1, 1}}}) {
        const Reduction r{x.data(), float32, sizes, strides, 1, nullptr, float32};
        float y = 0;
        int64 place = -1;
        for (const auto op : {max, min, sum, mean, prod, logsumexp}) {
          Reduction with = r;
          with.y = &y;
          op(with);
          EXPECT_TRUE(std::isnan(y)) << n << " " << at;
        }
        for (const auto op : {argmax, argmin}) {
          Reduction with = r;
          with.y = &place, with.output = DType::int64;
          op(with);
          EXPECT_EQ(place, at);
        }
        Reduction with = r;
        with.y = &y;
        nansum(with);
        EXPECT_FALSE(std::isnan(y));
        norm(with, infinity);
        EXPECT_TRUE(std::isnan(y));
      }
    }
  }
}

TEST(Reduce, InfinitiesInLogSumExp) {
  const auto of = [](std::vector<float> x) {
    float y = 0;
    logsumexp({x.data(), float32, {int64(x.size())}, {1}, 1, &y, float32});
    return y;
  };
  const float inf = float(infinity);
  EXPECT_EQ(of({-inf, -inf}), -inf);
  EXPECT_EQ(of({inf, 1, -inf}), inf);
  EXPECT_FLOAT_EQ(of({1e38f, 1e38f}), 1e38f);
  EXPECT_TRUE(std::isnan(of({float(nan), inf})));
  EXPECT_EQ(of({}), -inf);
}

TEST(Reduce, AnyAllCount) {
  const auto truth = [](bool want_all) {
    return [want_all](const auto& values) {
      std::size_t count = 0;
      for (const auto value : values) count += value != decltype(value)(0);
      return std::pair(double(want_all ? count == values.size() : count > 0), 1);
    };
  };
  const auto count = [](const auto& values) {
    std::size_t nonzero = 0;
    for (const auto value : values) nonzero += value != decltype(value)(0);
    return std::pair(double(nonzero), 1);
  };
  compare<bool, bool>("any", any, 0, truth(false));
  compare<float, bool>("any", any, 0, truth(false));
  compare<std::int32_t, bool>("all", all, 0, truth(true));
  compare<std::complex<float>, bool>("all", all, 0, truth(true));
  compare<std::int16_t, int64>("count_nonzero", count_nonzero, 0, count);
  compare<bool, int64>("count_nonzero", count_nonzero, 0, count);
}

TEST(Reduce, NothingToReduce) {
  float y[3] = {7, 7, 7}, average[3];
  std::uint8_t truth = 7;
  const Reduction r{y, float32, {3, 0}, {1, 1}, 2, y, float32};
  sum(r);
  EXPECT_EQ(y[2], 0);
  prod(r);
  EXPECT_EQ(y[2], 1);
  mean(r);
  EXPECT_TRUE(std::isnan(y[2]));
  var(r, 1, average);
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(average[2]));
  norm(r, 2);
  EXPECT_EQ(y[0], 0);
  any({y, float32, {0}, {1}, 1, &truth, boolean});
  EXPECT_EQ(truth, 0);
  all({y, float32, {0}, {1}, 1, &truth, boolean});
  EXPECT_EQ(truth, 1);
  sum({y, float32, {0, 3}, {3, 1}, 2, nullptr, float32});
  try {
    max(r);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(
        error.what(),
        "max: input of shape (3, 0) has no elements to choose from; it needs at least one along the reduced "
        "dimensions");
  }
  EXPECT_THROW(argmin(r), ValueError);
  EXPECT_THROW(max({y, complex64, {1}, {1}, 1, y, complex64}), DTypeError);
  EXPECT_THROW(sum({y, float32, {1}, {1}, 1, y, DType::int64}), DTypeError);
  EXPECT_THROW(norm({y, DType::int32, {1}, {1}, 1, y, float32}, 2), DTypeError);
}

TEST(Reduce, LongSumsAreExact) {
  const float one = 1;
  float y = 0;
  sum({&one, float32, {100000000}, {0}, 1, &y, float32});
  EXPECT_EQ(y, 1e8f);
  std::vector<float> tenth(1 << 22, 0.1f);
  sum({tenth.data(), float32, {1 << 22}, {1}, 1, &y, float32});
  EXPECT_EQ(y, float(double(0.1f) * (1 << 22)));
}

TEST(Reduce, SameBitsForAnyThreadCount) {
  const auto x = numbers<float>(1 << 21, 11);
  const std::vector<Layout> shapes = {{{1 << 21}, {1}}, {{2048, 1024}, {1024, 1}}, {{100000, 20}, {20, 1}}};
  for (const Layout& layout : shapes) {
    for (std::uint64_t reduced = 1; reduced < (1u << layout.sizes.size()); ++reduced) {
      for (const auto op : {sum, mean, prod, max, logsumexp}) {
        std::vector<float> y1(1 << 21), y2(1 << 21);
        set_num_threads(1);
        op({x.data(), float32, layout.sizes, layout.strides, reduced, y1.data(), float32});
        set_num_threads(2);
        op({x.data(), float32, layout.sizes, layout.strides, reduced, y2.data(), float32});
        EXPECT_EQ(std::memcmp(y1.data(), y2.data(), y1.size() * 4), 0);
      }
    }
  }
}

}  // namespace
}  // namespace taper::cpu
