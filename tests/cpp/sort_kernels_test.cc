// Sorting, selection, unique, searching and counting against the standard library's algorithms.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/sort.h"
#include "taper/error.h"
#include "taper/half.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
const float nan = std::nanf("");
const float infinity = std::numeric_limits<float>::infinity();

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return float32;
  else if constexpr (std::is_same_v<T, double>) return float64;
  else if constexpr (std::is_same_v<T, Half>) return float16;
  else if constexpr (std::is_same_v<T, BFloat16>) return bfloat16;
  else if constexpr (std::is_same_v<T, std::uint8_t>) return uint8;
  else if constexpr (std::is_same_v<T, std::int8_t>) return int8;
  else if constexpr (std::is_same_v<T, std::int16_t>) return int16;
  else if constexpr (std::is_same_v<T, std::uint16_t>) return uint16;
  else if constexpr (std::is_same_v<T, std::int32_t>) return DType::int32;
  else if constexpr (std::is_same_v<T, std::uint32_t>) return DType::uint32;
  else if constexpr (std::is_same_v<T, int64>) return DType::int64;
  else return DType::uint64;
}

/// Numbers with repetitions, of all magnitudes; floats with NaN of both signs, infinities and both zeros.
template <class T>
std::vector<T> numbers(std::size_t n, unsigned seed) {
  std::mt19937_64 random(seed);
  // Integers over all of their range, over 32 bits of it, or close together, for which there are ways of
  // their own.
  const int down = int(std::array{8, 33, 60}[n / 64 % 3]);
  std::vector<T> x(n);
  for (auto& value : x) {
    const std::uint64_t bits = random();
    if constexpr (std::is_integral_v<T>) {
      value = bits % 3 ? T(T(bits >> down) - T(3)) : T(bits % 11);
    } else {
      const float special[] = {nan, -nan, infinity, -infinity, 0.f, -0.f, 1.f, 2.f};
      const float ordinary = (float(bits >> 40) - 8e6f) * std::ldexp(1.f, int(bits % 40) - 30);
      value = T(bits % 10 ? ordinary : special[bits / 10 % 8]);
    }
  }
  return x;
}

template <class T>
bool is_nan(T x) {
  return x != x;
}

template <class T>
bool less(T a, T b) {
  if (is_nan(b)) return !is_nan(a);
  return a < b;
}

template <class T>
std::vector<int64> expected_order(const T* x, int64 n, bool descending) {
  std::vector<int64> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), int64(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](int64 a, int64 b) { return descending ? less(x[b], x[a]) : less(x[a], x[b]); });
  return order;
}

template <class T>
void test_order_of_type() {
  const DType dtype = dtype_of<T>();
  for (const int64 n : {0, 1, 2, 63, 64, 100, 130, 200, 5000, 5100, 5200}) {
    const int64 rows = n > 1000 ? 2 : 3;
    const auto x = numbers<T>(std::size_t(rows * n), unsigned(n));
    for (const bool descending : {false, true}) {
      std::vector<T> values(x.size());
      std::vector<int64> indices(x.size());
      sort(x.data(), dtype, rows, n, descending, values.data(), indices.data());
      const int64 k = std::min<int64>(n, n / 3 + 1);
      std::vector<T> best(std::size_t(rows * k));
      std::vector<int64> places(best.size());
      topk(x.data(), dtype, rows, n, k, descending, best.data(), places.data());
      for (int64 row = 0; row < rows; ++row) {
        const T* const start = x.data() + row * n;
        const auto order = expected_order(start, n, descending);
        for (int64 i = 0; i < n; ++i) {
          const auto at = std::size_t(row * n + i);
          ASSERT_EQ(indices[at], order[std::size_t(i)]);
          ASSERT_TRUE(values[at] == start[indices[at]] || is_nan(start[indices[at]]));
          if (i < k) {
            ASSERT_EQ(places[std::size_t(row * k + i)], order[std::size_t(i)]) << n;
          }
        }
      }
    }
    for (int64 k = 1; k <= n; k += n / 7 + 1) {
      std::vector<T> value(static_cast<std::size_t>(rows));
      std::vector<int64> place(static_cast<std::size_t>(rows));
      kthvalue(x.data(), dtype, rows, n, k, value.data(), place.data());
      for (int64 row = 0; row < rows; ++row) {
        ASSERT_EQ(place[std::size_t(row)], expected_order(x.data() + row * n, n, false)[std::size_t(k - 1)]);
      }
    }
  }
}

TEST(Sort, EveryType) {
  test_order_of_type<std::uint8_t>();
  test_order_of_type<std::int8_t>();
  test_order_of_type<std::int16_t>();
  test_order_of_type<std::uint16_t>();
  test_order_of_type<std::int32_t>();
  test_order_of_type<std::uint32_t>();
  test_order_of_type<int64>();
  test_order_of_type<std::uint64_t>();
  test_order_of_type<Half>();
  test_order_of_type<BFloat16>();
  test_order_of_type<float>();
  test_order_of_type<double>();
}

TEST(Sort, LongRowsAndThreads) {
  const auto x = numbers<float>(300000, 3);
  std::vector<float> values(x.size()), other(x.size());
  std::vector<int64> indices(x.size()), places(x.size());
  set_num_threads(1);
  sort(x.data(), float32, 3, 100000, false, values.data(), indices.data());
  set_num_threads(2);
  sort(x.data(), float32, 3, 100000, false, nullptr, places.data());
  EXPECT_EQ(indices, places);
  sort(x.data(), float32, 1, 300000, true, values.data(), nullptr);
  EXPECT_TRUE(std::isnan(values[0]));
  topk(x.data(), float32, 1, 300000, 1000, false, other.data(), places.data());
  sort(x.data(), float32, 1, 300000, false, values.data(), indices.data());
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(places[i], indices[i]);
  // Ever better candidates: each drop of the rest is followed by another.
  std::vector<int> falling(100000);
  for (std::size_t i = 0; i < falling.size(); ++i) falling[i] = -int(i);
  std::vector<int> smallest(10);
  topk(falling.data(), DType::int32, 1, 100000, 10, false, smallest.data(), places.data());
  EXPECT_EQ(smallest[9], -99990);
  EXPECT_EQ(places[0], 99999);
}

TEST(Sort, Refusals) {
  float x[3] = {1, 2, 3};
  int64 place;
  const std::complex<float> z[2] = {};
  EXPECT_THROW(sort(z, complex64, 1, 2, false, nullptr, &place), DTypeError);
  try {
    topk(x, float32, 1, 3, 4, true, x, &place);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "topk: got k = 4 for rows of 3 elements, expected 0 <= k <= 3");
  }
  EXPECT_THROW(kthvalue(x, float32, 1, 3, 0, x, &place), ValueError);
  EXPECT_THROW(median(x, float32, 1, 0, false, x, &place), ValueError);
}

TEST(Sort, Median) {
  const auto of = [](std::vector<float> x, bool ignore_nan) {
    float value;
    int64 place;
    median(x.data(), float32, 1, int64(x.size()), ignore_nan, &value, &place);
    return std::pair(value, place);
  };
  EXPECT_EQ(of({3, 1, 2, 4}, false), std::pair(2.f, int64(2)));
  EXPECT_EQ(of({3, 1, 2}, false), std::pair(2.f, int64(2)));
  EXPECT_EQ(of({3, nan, 2, nan, 7}, true), std::pair(3.f, int64(0)));
  EXPECT_TRUE(std::isnan(of({3, nan, 2}, false).first));
  EXPECT_EQ(of({3, nan, 2}, false).second, 1);
  EXPECT_EQ(of({nan, nan}, true).second, 0);
  auto many = numbers<float>(50001, 4);
  for (auto& value : many) value = std::isnan(value) ? 1 : value;
  EXPECT_EQ(of(many, false).second, expected_order(many.data(), 50001, false)[25000]);
}

TEST(Sort, Unique) {
  const auto x = numbers<std::int16_t>(3000, 8);
  std::vector<int64> first(3000), inverse(3000), counts(3000);
  const int64 n = unique(x.data(), int16, 3000, 1, first.data(), inverse.data(), counts.data());
  std::map<std::int16_t, int64> expected;
  for (const auto value : x) ++expected[value];
  ASSERT_EQ(n, int64(expected.size()));
  std::size_t k = 0;
  for (const auto& [value, count] : expected) {
    EXPECT_EQ(x[std::size_t(first[k])], value);
    EXPECT_EQ(std::find(x.begin(), x.end(), value) - x.begin(), first[k]);
    EXPECT_EQ(counts[k++], count);
  }
  for (std::size_t i = 0; i < 3000; ++i) ASSERT_EQ(x[std::size_t(first[std::size_t(inverse[i])])], x[i]);
  const float special[6] = {nan, 0.f, 1, nan, -0.f, 1};
  EXPECT_EQ(unique(special, float32, 6, 1, first.data(), inverse.data(), nullptr), 4);
  EXPECT_EQ(inverse[4], inverse[1]);
  EXPECT_EQ(unique(special, float32, 0, 1, first.data(), nullptr, nullptr), 0);
  const int rows[8] = {2, 1, 1, 9, 2, 1, 1, 3};
  EXPECT_EQ(unique(rows, DType::int32, 4, 2, first.data(), inverse.data(), counts.data()), 3);
  EXPECT_EQ(first[0] * 100 + first[1] * 10 + first[2], 310);
  EXPECT_EQ(counts[2], 2);
  EXPECT_EQ(inverse[2], 2);
}

TEST(Sort, UniqueConsecutive) {
  const int x[7] = {1, 1, 2, 2, 2, 1, 3};
  int64 first[7], inverse[7], counts[7];
  ASSERT_EQ(unique_consecutive(x, DType::int32, 7, 1, first, inverse, counts), 4);
  EXPECT_EQ(std::vector<int64>(first, first + 4), (std::vector<int64>{0, 2, 5, 6}));
  EXPECT_EQ(std::vector<int64>(counts, counts + 4), (std::vector<int64>{2, 3, 1, 1}));
  EXPECT_EQ(inverse[5], 2);
  const std::complex<float> z[3] = {{1, 2}, {1, 2}, {1, 3}};
  EXPECT_EQ(unique_consecutive(z, complex64, 3, 1, first, nullptr, nullptr), 2);
  EXPECT_EQ(unique_consecutive(x, DType::int32, 2, 2, first, nullptr, nullptr), 2);
}

TEST(Sort, Searchsorted) {
  for (const int64 m : {0, 1, 2, 3, 7, 1000}) {
    auto edges = numbers<float>(std::size_t(m), 5);
    for (auto& edge : edges) edge = std::isnan(edge) ? 5 : std::round(edge);
    std::sort(edges.begin(), edges.end());
    auto values = numbers<float>(5000, 6);
    for (auto& value : values) value = std::isnan(value) ? value : std::round(value);
    for (const bool right : {false, true}) {
      std::vector<int64> places(5000);
      searchsorted(edges.data(), true, m, nullptr, values.data(), float32, 2, 2500, right, places.data());
      for (std::size_t i = 0; i < 5000; ++i) {
        const auto found = right ? std::upper_bound(edges.begin(), edges.end(), values[i])
                                 : std::lower_bound(edges.begin(), edges.end(), values[i]);
        ASSERT_EQ(places[i], std::isnan(values[i]) ? m : found - edges.begin()) << m << " " << values[i];
      }
    }
  }
  const int rows[6] = {1, 3, 5, 2, 4, 6}, values[4] = {3, 9, 4, 1};
  int64 places[4];
  searchsorted(rows, false, 3, nullptr, values, DType::int32, 2, 2, false, places);
  EXPECT_EQ(std::vector<int64>(places, places + 4), (std::vector<int64>{1, 3, 1, 0}));
  const int mixed[3] = {5, 1, 3};
  int64 order[3] = {1, 2, 0};
  searchsorted(mixed, true, 3, order, values, DType::int32, 1, 4, true, places);
  EXPECT_EQ(std::vector<int64>(places, places + 4), (std::vector<int64>{2, 3, 2, 1}));
  order[1] = 3;
  try {
    searchsorted(mixed, true, 3, order, values, DType::int32, 1, 4, true, places);
    FAIL();
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(), "searchsorted: sorter has 3 at position 1 of row 0, expected 0 to 2");
  }
}

TEST(Sort, Counting) {
  const std::int16_t x[6] = {3, 0, 3, 1, 3, 1};
  ASSERT_EQ(bincount_size(x, int16, 6), 4);
  EXPECT_EQ(bincount_size(x, int16, 0), 0);
  int64 counts[5];
  bincount(x, int16, 6, 5, counts);
  EXPECT_EQ(std::vector<int64>(counts, counts + 5), (std::vector<int64>{1, 2, 0, 3, 0}));
  const float weights[6] = {1, 2, 3, 4, 5, 6};
  double sums[4];
  weighted_bincount(x, int16, 6, 4, weights, float32, sums);
  EXPECT_EQ(std::vector<double>(sums, sums + 4), (std::vector<double>{2, 10, 0, 9}));
  const int64 negative[2] = {1, -5};
  try {
    bincount_size(negative, DType::int64, 2);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "bincount: value -5 at position 1 is negative; it counts integers from 0");
  }
  EXPECT_THROW(bincount(x, int16, 6, 3, counts), IndexError);
  EXPECT_THROW(bincount_size(weights, float32, 6), DTypeError);
  const float values[8] = {0, 0.5, 1, 2, 3.9f, 4, nan, -1};
  histc(values, float32, 8, 4, 0, 4, counts);
  EXPECT_EQ(std::vector<int64>(counts, counts + 4), (std::vector<int64>{2, 1, 1, 2}));
  EXPECT_THROW(histc(values, float32, 8, 4, 0, infinity, counts), ValueError);
  EXPECT_THROW(histc(values, float32, 8, 0, 0, 1, counts), ValueError);
}

}  // namespace
}  // namespace taper::cpu
