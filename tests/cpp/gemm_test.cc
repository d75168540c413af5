// Matrix products against a plain loop: dtypes, transpositions, shapes, long sums, threads, batches.
#include "cpu/gemm.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#include "base/visit.h"
#include "cpu/parallel.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using Size = std::int64_t;
constexpr Size gap = 3;  // between rows, so that a wrong stride shows
constexpr int sentinel = 77;

/// The type in which the reference computes: wide for floating types, wrapping for integers.
template <class T>
using Wide = std::conditional_t<
    std::is_integral_v<T>, std::uint64_t,
    std::conditional_t<std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>,
                       std::complex<double>, double>>;

template <class T>
Wide<T> widen(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return double(float(value));
  else return Wide<T>(value);
}

template <class T>
T random_number(std::mt19937& random) {
  const auto uniform = [](std::mt19937& source) { return double(source()) * 0x1p-31 - 1; };
  if constexpr (std::is_same_v<T, bool>) return random() % 8 == 0;
  else if constexpr (std::is_integral_v<T>) return T(random());
  else if constexpr (std::is_same_v<Wide<T>, std::complex<double>>)
    return T(uniform(random), uniform(random));
  else return T(float(uniform(random)));
}

struct Case {
  Size m, n, k;
  bool trans_a = false, trans_b = false;
  double alpha = 1, beta = 0;
  bool bias = false;
};

std::string text(DType dtype, const Case& x) {
  return concat(name(dtype), " ", x.m, "x", x.n, "x", x.k, x.trans_a ? " ta" : "", x.trans_b ? " tb" : "",
                " alpha ", x.alpha, " beta ", x.beta, x.bias ? " bias" : "");
}

/// The largest error allowed for a sum of k products of numbers below 1, rounded to T.
template <class T>
double tolerance(Size k) {
  const double length = std::sqrt(double(k)) + 2;
  if constexpr (std::is_same_v<T, Half>) return length * 1e-3;
  else if constexpr (std::is_same_v<T, BFloat16>) return length * 8e-3;
  else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, std::complex<float>>) return length * 2e-6;
  else return length * 1e-14;
}

/// A matrix with a gap behind each row, and its data behind a guard so that it is not aligned.
template <class T>
struct Matrix {
  Matrix(Size rows, Size columns, std::mt19937& random)
      : rows(rows), columns(columns), ld(columns + gap), memory(new T[std::size_t(rows * ld + 1)]) {
    for (Size i = 0; i < rows * ld + 1; ++i) memory[std::size_t(i)] = T(sentinel);
    for (Size i = 0; i < rows; ++i)
      for (Size j = 0; j < columns; ++j) at(i, j) = random_number<T>(random);
  }
  T* data() const { return memory.get() + 1; }
  T& at(Size i, Size j) const { return data()[i * ld + j]; }
  Size rows, columns, ld;
  std::unique_ptr<T[]> memory;
};

template <class T>
Wide<T> expected_at(const Case& x, const Matrix<T>& a, const Matrix<T>& b, const Matrix<T>& c, const T* bias,
                    Size i, Size j) {
  Wide<T> sum = 0;
  for (Size p = 0; p < x.k; ++p) {
    const auto left = widen(x.trans_a ? a.at(p, i) : a.at(i, p)),
               right = widen(x.trans_b ? b.at(j, p) : b.at(p, j));
    if constexpr (std::is_same_v<T, bool>) sum = sum || (left && right);
    else sum += left * right;
  }
  const auto alpha = Wide<T>(Size(x.alpha)), beta = Wide<T>(Size(x.beta));
  if constexpr (std::is_same_v<T, bool>)
    return (x.alpha != 0 && sum) || (x.beta != 0 && c.at(i, j)) || (bias && bias[j]);
  else
    return alpha * sum + (x.beta != 0 ? beta * widen(c.at(i, j)) : Wide<T>(0)) +
           (bias ? widen(bias[j]) : Wide<T>(0));
}

template <class T>
void check_case(DType dtype, const Case& x) {
  std::mt19937 random(7);
  const Matrix<T> a(x.trans_a ? x.k : x.m, x.trans_a ? x.m : x.k, random);
  const Matrix<T> b(x.trans_b ? x.n : x.k, x.trans_b ? x.k : x.n, random);
  const Matrix<T> before(x.m, x.n, random);
  const Matrix<T> bias(1, x.n, random);
  random.seed(7);
  Matrix<T> c(x.m, x.n, random);
  for (Size i = 0; i < x.m; ++i)
    for (Size j = 0; j < x.n; ++j) c.at(i, j) = before.at(i, j);
  if (x.beta == 0 && !std::is_integral_v<T>)  // must not be read
    for (Size i = 0; i < x.m; ++i)
      for (Size j = 0; j < x.n; ++j) c.at(i, j) = T(std::numeric_limits<float>::quiet_NaN());
  const T* const row = x.bias ? bias.data() : nullptr;
  gemm(dtype, x.trans_a, x.trans_b, x.m, x.n, x.k, Scalar(Size(x.alpha)), a.data(), a.ld, b.data(), b.ld,
       Scalar(Size(x.beta)), c.data(), c.ld, row);
  for (Size i = 0; i < x.m; ++i) {
    for (Size j = 0; j < x.n; ++j) {
      const auto expected = expected_at(x, a, b, before, row, i, j);
      if constexpr (std::is_integral_v<T>)
        ASSERT_EQ(c.at(i, j), T(expected)) << text(dtype, x) << " at " << i << ' ' << j;
      else
        ASSERT_LE(std::abs(widen(c.at(i, j)) - expected),
                  tolerance<T>(x.k) * std::max(1.0, std::abs(x.alpha)))
            << text(dtype, x) << " at " << i << ' ' << j;
    }
    for (Size j = x.n; j < c.ld; ++j) ASSERT_EQ(widen(c.at(i, j)), widen(T(sentinel))) << text(dtype, x);
  }
}

void check_all_dtypes(const Case& x) {
  for (int d = 0; d < dtype_count; ++d) visit(DType(d), [&]<class T>() { check_case<T>(DType(d), x); });
}

/// The case with each of the four transpositions.
template <class F>
void each_transposition(Case x, F f) {
  for (int t = 0; t < 4; ++t) {
    x.trans_a = t & 1;
    x.trans_b = t & 2;
    f(x);
  }
}

TEST(Gemm, EveryDTypeAndTransposition) {
  for (const Case& x :
       {Case{5, 7, 9}, Case{17, 33, 20}, Case{1, 19, 70}, Case{23, 1, 40}, Case{1, 1, 100}, Case{64, 50, 3}})
    each_transposition(x, check_all_dtypes);
}

TEST(Gemm, AlphaBetaAndBias) {
  for (Size m : {1, 13})
    for (Size n : {1, 18})
      for (double alpha : {1.0, -2.0, 0.0})
        for (double beta : {0.0, 1.0, 3.0})
          for (bool bias : {false, true}) check_all_dtypes({m, n, 21, false, true, alpha, beta, bias});
}

TEST(Gemm, EmptySumsLeaveBetaTimesC) {
  for (double beta : {0.0, 1.0, 2.0})
    for (bool bias : {false, true}) check_all_dtypes({4, 6, 0, false, false, 1, beta, bias});
  gemm(float32, false, false, 0, 5, 3, 1, nullptr, 3, nullptr, 5, 0, nullptr, 5);
  gemm(float32, false, false, 5, 0, 3, 1, nullptr, 3, nullptr, 0, 0, nullptr, 0);
}

TEST(Gemm, TileEdges) {
  for (Size m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15})
    for (Size n : {1, 2, 8, 15, 16, 17, 24, 31, 32, 47, 48, 49, 100})
      each_transposition({m, n, 37, false, false, 1, 1},
                         [](const Case& x) { check_case<float>(float32, x); });
  for (Size m : {1, 3, 4, 8, 9})
    for (Size n : {1, 3, 4, 7, 8, 9, 12, 23, 25})
      each_transposition({m, n, 37, false, false, 1, 1},
                         [](const Case& x) { check_case<double>(float64, x); });
}

TEST(Gemm, LargerThanTheBlocks) {
  for (const Case& x :
       {Case{70, 500, 1100}, Case{260, 200, 530}, Case{1100, 64, 65}, Case{3, 600, 600}, Case{8, 70, 4000}})
    each_transposition(x, [](Case y) {
      check_case<float>(float32, y);
      y.beta = 2, y.bias = true;
      check_case<float>(float32, y);
      check_case<BFloat16>(bfloat16, y);
    });
  each_transposition({90, 210, 600}, [](const Case& x) {
    check_case<double>(float64, x);
    check_case<Half>(float16, x);
    check_case<std::complex<float>>(complex64, x);
    check_case<std::int64_t>(int64, x);
    check_case<std::uint8_t>(uint8, x);
  });
}

TEST(Gemm, SumsLongerThanTheFloat32Pieces) {
  for (const Case& x :
       {Case{1, 1, 10000}, Case{5, 6, 9000}, Case{1, 300, 5000}, Case{90, 60, 8200}, Case{40, 1, 40000}})
    each_transposition(x, [](Case y) {
      check_case<float>(float32, y);
      y.alpha = -2, y.beta = 1, y.bias = true;
      check_case<float>(float32, y);
    });
}

double relative_error(Size m, Size n, Size k) {
  std::mt19937 random(3);
  std::vector<float> a(std::size_t(m * k)), b(std::size_t(n * k)), c(std::size_t(m * n));
  for (float& x : a) x = float(random()) * 0x1p-32f;
  for (float& x : b) x = float(random()) * 0x1p-32f;
  gemm(float32, false, true, m, n, k, 1, a.data(), k, b.data(), k, 0, c.data(), n);
  double worst = 0;
  for (Size i = 0; i < m; ++i)
    for (Size j = 0; j < n; ++j) {
      double sum = 0;
      for (Size p = 0; p < k; ++p)
        sum += double(a[std::size_t(i * k + p)]) * double(b[std::size_t(j * k + p)]);
      worst = std::max(worst, std::abs(double(c[std::size_t(i * n + j)]) - sum) / sum);
    }
  return worst;
}

TEST(Gemm, LongSumsStayAccurate) {
  EXPECT_LE(relative_error(1, 1, 10'000'000), 2e-7);
  EXPECT_LE(relative_error(8, 1, 1'000'000), 2e-7);
  EXPECT_LE(relative_error(8, 3, 100'000), 3e-7);
  EXPECT_LE(relative_error(64, 64, 4096), 1e-6);
  EXPECT_LE(relative_error(1, 64, 4096), 1e-6);
}

template <class T>
std::vector<T> product_bits(DType dtype, const Case& x, int threads) {
  set_num_threads(threads);
  std::mt19937 random(11);
  std::vector<T> a(std::size_t(x.m * x.k)), b(std::size_t(x.k * x.n)), c(std::size_t(x.m * x.n));
  for (T& v : a) v = random_number<T>(random);
  for (T& v : b) v = random_number<T>(random);
  gemm(dtype, x.trans_a, x.trans_b, x.m, x.n, x.k, 1, a.data(), x.trans_a ? x.m : x.k, b.data(),
       x.trans_b ? x.k : x.n, 0, c.data(), x.n);
  return c;
}

template <class T>
void check_threads(DType dtype, const Case& x) {
  const auto serial = product_bits<T>(dtype, x, 1);
  for (int threads : {2, 3}) {
    const auto parallel = product_bits<T>(dtype, x, threads);
    EXPECT_EQ(std::memcmp(serial.data(), parallel.data(), serial.size() * sizeof(T)), 0) << text(dtype, x);
  }
}

TEST(Gemm, SameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  for (const Case& x :
       {Case{64, 512, 784}, Case{1, 3000, 1000}, Case{3, 1000, 1500}, Case{70, 130, 9000}, Case{7, 5, 90000},
        Case{1000, 1, 3000}, Case{1000, 10, 128}, Case{300, 301, 302}, Case{8, 900, 1100}})
    each_transposition(x, [](const Case& y) { check_threads<float>(float32, y); });
  each_transposition({300, 301, 302}, [](const Case& x) {
    check_threads<double>(float64, x);
    check_threads<BFloat16>(bfloat16, x);
    check_threads<Half>(float16, x);
    check_threads<std::complex<float>>(complex64, x);
  });
  set_num_threads(before);
}

// The child has none of its parent's threads.
TEST(Gemm, ForkedChildComputesTheSame) {
  const Case x{128, 256, 512};
  const auto expected = product_bits<float>(float32, x, 2);
  const auto narrow = product_bits<BFloat16>(bfloat16, x, 2);
  const pid_t child = fork();
  if (child == 0) {
    alarm(5);
    const auto again = product_bits<float>(float32, x, 2);
    const auto narrow_again = product_bits<BFloat16>(bfloat16, x, 2);
    _exit(again == expected && std::memcmp(narrow.data(), narrow_again.data(), 2 * narrow.size()) == 0 ? 0
                                                                                                       : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Gemm, Batches) {
  std::mt19937 random(5);
  constexpr Size batch = 9, m = 6, n = 11, k = 13;
  std::vector<double> a(batch * m * k), b(batch * k * n);
  for (double& x : a) x = random_number<double>(random);
  for (double& x : b) x = random_number<double>(random);
  for (Size stride_a : {Size(0), m * k})
    for (Size stride_b : {Size(0), k * n}) {
      std::vector<double> c(batch * m * n), one(m * n);
      gemm_batched(float64, false, false, m, n, k, 1, a.data(), k, stride_a, b.data(), n, stride_b, 0,
                   c.data(), n, m * n, batch);
      for (Size i = 0; i < batch; ++i) {
        gemm(float64, false, false, m, n, k, 1, a.data() + i * stride_a, k, b.data() + i * stride_b, n, 0,
             one.data(), n);
        EXPECT_EQ(std::memcmp(one.data(), c.data() + i * m * n, sizeof(double) * one.size()), 0);
      }
    }
  EXPECT_THROW(
      gemm_batched(float64, false, false, m, n, k, 1, a.data(), k, 0, b.data(), n, 0, 0, a.data(), n, 0, 2),
      ValueError);
}

TEST(Gemm, SpecialValues) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float a[] = {inf, 0, 1, nan}, b[] = {1, 0, 0, 1};
  float c[4];
  gemm(float32, false, false, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
  EXPECT_EQ(c[0], inf);
  EXPECT_TRUE(std::isnan(c[1]) && std::isnan(c[2]) && std::isnan(c[3]));
  for (float value : {inf, nan, 65520.0f, 1e-7f}) {  // rounding to 16 bits
    const Half half(value);
    Half sum[17], ones[17];
    for (Half& one : ones) one = Half(1.0f);
    gemm(float16, false, false, 1, 17, 1, 1, &half, 1, ones, 17, 0, sum, 17);
    for (Half x : sum) EXPECT_EQ(x.bits, half.bits);
  }
}

std::string refusal(Size m, Size lda) {
  float x[64] = {};
  try {
    gemm(float32, false, false, m, 2, 4, 1, x, lda, x + 16, 2, 0, x + 32, 2);
  } catch (const ValueError& error) {
    return error.what();
  }
  return {};
}

TEST(Gemm, Refusals) {
  EXPECT_EQ(refusal(-2, 4), "gemm: got sizes m -2, n 2, k 4, expected none below 0");
  EXPECT_EQ(refusal(2, 3), "gemm: rows of a are 3 elements apart, expected at least 4");
}

}  // namespace
}  // namespace taper::cpu
