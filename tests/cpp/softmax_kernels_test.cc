// Softmax, logsumexp and cross entropy against their formulas in double.
#include "cpu/softmax.h"

#include <limits>

#include "kernel_testing.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using namespace testing;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<Slices> shapes(DType dtype) {
  return {{dtype, 3, 7, 1},  {dtype, 2, 1, 1},     {dtype, 5, 64, 1}, {dtype, 40, 1000, 1}, {dtype, 2, 5, 3},
          {dtype, 3, 9, 40}, {dtype, 1, 20000, 1}, {dtype, 0, 4, 1},  {dtype, 2, 0, 3}};
}

/// Calls f with the offsets of each slice's elements.
template <class F>
void for_each_slice(const Slices& s, F&& f) {
  std::vector<std::size_t> at(std::size_t(s.size));
  for (int64 o = 0; o < s.outer; ++o)
    for (int64 i = 0; i < s.inner; ++i) {
      for (int64 k = 0; k < s.size; ++k) at[std::size_t(k)] = std::size_t((o * s.size + k) * s.inner + i);
      f(at, o * s.inner + i);
    }
}

double log_sum(const std::vector<double>& x, const std::vector<std::size_t>& at) {
  double largest = -infinity, sum = 0;
  for (const auto i : at) largest = std::max(largest, x[i]);
  if (std::isinf(largest)) return largest;
  for (const auto i : at) sum += std::exp(x[i] - largest);
  return largest + std::log(sum);
}

void compare(const Slices& s) {
  const int64 count = s.outer * s.size * s.inner;
  const Array x = Array::uniform(s.dtype, count, -9, 9), dy = Array::uniform(s.dtype, count, -1, 1, 2);
  Array y(s.dtype, count), log_y(s.dtype, count), dx(s.dtype, count), log_dx(s.dtype, count);
  Array sums(s.dtype, s.outer * s.inner);
  softmax(s, x.data(), y.data());
  log_softmax(s, x.data(), log_y.data());
  softmax_backward(s, y.data(), dy.data(), dx.data());
  log_softmax_backward(s, log_y.data(), dy.data(), log_dx.data());
  logsumexp(s, x.data(), sums.data());
  std::vector<double> p(std::size_t(count), 0), log_p = p, want_dx = p, want_log_dx = p;
  std::vector<double> want_sums(std::size_t(s.outer * s.inner));
  const auto xs = x.values(), dys = dy.values(), ys = y.values(), log_ys = log_y.values();
  for_each_slice(s, [&](const std::vector<std::size_t>& at, int64 slice) {
    const double sum = want_sums[std::size_t(slice)] = log_sum(xs, at);
    double weighted = 0, total = 0;
    for (const auto i : at) log_p[i] = xs[i] - sum, p[i] = std::exp(log_p[i]);
    for (const auto i : at) weighted += ys[i] * dys[i], total += dys[i];
    for (const auto i : at)
      want_dx[i] = ys[i] * (dys[i] - weighted), want_log_dx[i] = dys[i] - std::exp(log_ys[i]) * total;
  });
  expect_close(y, p, 16, 1. / 16, "softmax");
  expect_close(log_y, log_p, 4, 16, "log_softmax");
  expect_close(dx, want_dx, 8, 1, "softmax_backward");
  expect_close(log_dx, want_log_dx, 8, 4, "log_softmax_backward");
  if (s.size) expect_close(sums, want_sums, 4, 8, "logsumexp");
}

TEST(SoftmaxKernels, EqualTheirFormulas) {
  for (const DType dtype : floating_types)
    for (const Slices& s : shapes(dtype)) {
      SCOPED_TRACE(concat(dtype, " ", s.outer, " x ", s.size, " x ", s.inner));
      compare(s);
      if (::testing::Test::HasFatalFailure()) return;
    }
}

Array row_of(DType dtype, std::vector<double> values) {
  Array row(dtype, int64(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) row.set(int64(i), values[i]);
  return row;
}

TEST(SoftmaxKernels, TreatSpecialValuesAsPyTorch) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : floating_types)
    for (const std::vector<double>& values : std::vector<std::vector<double>>{
             {-infinity, -infinity}, {infinity, 0}, {1, nan, 2}, {nan, -infinity, infinity}}) {
      const Array x = row_of(dtype, values);
      const Slices s{dtype, 1, x.size(), 1};
      Array y(dtype, x.size());
      softmax(s, x.data(), y.data());
      for (int64 i = 0; i < y.size(); ++i) EXPECT_TRUE(std::isnan(y[i]));
      log_softmax(s, x.data(), y.data());
      EXPECT_TRUE(std::isnan(y[0]));
      Array sum(dtype, 1);
      logsumexp(s, x.data(), sum.data());
      const bool has_nan = std::isnan(values[0]) || std::isnan(values[1]);
      EXPECT_TRUE(has_nan ? std::isnan(sum[0]) : sum[0] == values[0]);
    }
  const Array x = row_of(float32, {-infinity, 3, -infinity, 3});
  Array y(float32, 4);
  softmax({float32, 1, 4, 1}, x.data(), y.data());
  EXPECT_EQ(y.values(), (std::vector<double>{0, 0.5, 0, 0.5}));
}

struct Entropy {
  CrossEntropy options;
  Array x, weight, dloss;
  std::vector<int64> target;
  Entropy(DType dtype, int64 rows, int64 classes, bool weighted, double smoothing)
      : options{dtype, rows, classes, nullptr, 1, smoothing},
        x(Array::uniform(dtype, rows * classes, -5, 5, 5)),
        weight(Array::uniform(dtype, classes, 0.1, 2, 6)),
        dloss(Array::uniform(dtype, rows, -1, 1, 7)) {
    if (weighted) options.weight = weight.data();
    for (int64 i = 0; i < rows; ++i) target.push_back(i * 7 % classes);
  }
  double weight_of(int64 c) const { return options.weight ? weight[c] : 1; }
};

std::vector<Array> run(const Entropy& e) {
  Array loss(e.options.dtype, e.options.rows), sums(float64, e.options.rows), weights = sums,
                                                                              dx(e.options.dtype, e.x.size());
  cross_entropy(e.options, e.x.data(), e.target.data(), loss.data(), sums.as<double>(), weights.as<double>());
  cross_entropy_backward(e.options, e.x.data(), e.target.data(), sums.as<double>(), e.dloss.data(),
                         dx.data());
  return {loss, sums, weights, dx};
}

void compare(const Entropy& e) {
  const int64 classes = e.options.classes;
  const double smoothing = e.options.label_smoothing;
  std::vector<double> loss, weights, dx(std::size_t(e.x.size()));
  double total = 0;
  for (int64 c = 0; c < classes; ++c) total += e.weight_of(c);
  for (int64 i = 0; i < e.options.rows; ++i) {
    std::vector<double> row, log_p;
    std::vector<std::size_t> at;
    for (int64 c = 0; c < classes; ++c) row.push_back(e.x[i * classes + c]), at.push_back(std::size_t(c));
    const double sum = log_sum(row, at);
    const int64 t = e.target[std::size_t(i)];
    const bool kept = t != e.options.ignore_index;
    double smooth = 0;
    for (int64 c = 0; c < classes; ++c)
      smooth += e.weight_of(c) * (sum - row[std::size_t(c)]) / double(classes);
    const double hard = e.weight_of(t) * (sum - row[std::size_t(t)]);
    loss.push_back(kept ? (1 - smoothing) * hard + smoothing * smooth : 0);
    weights.push_back(kept ? e.weight_of(t) : 0);
    for (int64 c = 0; c < classes; ++c) {
      const double p = std::exp(row[std::size_t(c)] - sum);
      const double part = (1 - smoothing) * e.weight_of(t) * (p - (c == t)) +
                          smoothing / double(classes) * (total * p - e.weight_of(c));
      dx[std::size_t(i * classes + c)] = kept ? e.dloss[i] * part : 0;
    }
  }
  const std::vector<Array> results = run(e);
  expect_close(results[0], loss, 8, 4, "loss");
  expect_close(results[2], weights, 0, 1, "row_weight");
  expect_close(results[3], dx, 12, 1, "dx");
}

TEST(CrossEntropyKernel, EqualsItsFormula) {
  for (const DType dtype : floating_types)
    for (const bool weighted : {false, true})
      for (const double smoothing : {0., 0.1}) {
        compare(Entropy(dtype, 21, 10, weighted, smoothing));
        compare(Entropy(dtype, 5, 1003, weighted, smoothing));
      }
}

TEST(CrossEntropyKernel, KeepsItsAccuracyForLargeLogits) {
  Entropy e(float32, 3, 5, false, 0);
  for (int64 i = 0; i < e.x.size(); ++i) e.x.set(i, 1e5 + double(i % 4));
  compare(e);
}

TEST(CrossEntropyKernel, NamesABadTarget) {
  Entropy e(float32, 4, 10, false, 0);
  e.target[3] = 10;
  try {
    run(e);
    FAIL();
  } catch (const IndexError& error) {
    EXPECT_STREQ(error.what(),
                 "cross_entropy: target 10 at row 3 is out of range for 10 classes, expected 0 to 9");
  }
}

TEST(SoftmaxKernels, AreTheSameForAnyNumberOfThreads) {
  for (const DType dtype : {float32, bfloat16})
    for (const Slices& s : shapes(dtype))
      expect_same_for_threads([&] {
        const Array x = Array::uniform(dtype, s.outer * s.size * s.inner, -9, 9);
        Array y(dtype, x.size());
        softmax(s, x.data(), y.data());
        return std::vector<Array>{y};
      });
  expect_same_for_threads([] { return run(Entropy(float32, 5000, 40, true, 0.1)); });
}

}  // namespace
}  // namespace taper::cpu
