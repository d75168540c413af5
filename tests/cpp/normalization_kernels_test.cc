// Layer, RMS, batch and group norm against their formulas in double.
#include "cpu/normalization.h"

#include "kernel_testing.h"

namespace taper::cpu {
namespace {

using namespace testing;
using Doubles = std::vector<double>;

/// A normalization by sets: element i belongs to set set_of[i], and to parameter parameter_of[i].
struct Reference {
  std::vector<std::size_t> set_of, parameter_of;
  std::size_t sets = 0, parameters = 0;
  bool centered = true, training = true;
  double eps = 1e-5;

  Doubles mean, rstd, y, dx, dw, db;

  void compute(const Doubles& x, const Doubles& dy, const Doubles& w, const Doubles& b) {
    Doubles count(sets), squares(sets);
    const Doubles given_mean = mean, given_rstd = rstd;
    mean.assign(sets, 0), rstd.assign(sets, 0), dw.assign(parameters, 0), db.assign(parameters, 0);
    for (std::size_t i = 0; i < x.size(); ++i) count[set_of[i]] += 1, mean[set_of[i]] += x[i];
    for (std::size_t s = 0; s < sets; ++s) mean[s] = centered ? mean[s] / count[s] : 0;
    for (std::size_t i = 0; i < x.size(); ++i) squares[set_of[i]] += std::pow(x[i] - mean[set_of[i]], 2);
    for (std::size_t s = 0; s < sets; ++s) rstd[s] = 1 / std::sqrt(squares[s] / count[s] + eps);
    if (!training) mean = given_mean, rstd = given_rstd;
    Doubles g_sum(sets), gu_sum(sets);
    const auto unit = [&](std::size_t i) { return (x[i] - mean[set_of[i]]) * rstd[set_of[i]]; };
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t p = parameter_of[i], s = set_of[i];
      y.push_back(unit(i) * w[p] + b[p]);
      dw[p] += dy[i] * unit(i), db[p] += dy[i];
      g_sum[s] += dy[i] * w[p] / count[s], gu_sum[s] += dy[i] * w[p] * unit(i) / count[s];
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t s = set_of[i];
      const double shared = training ? (centered ? g_sum[s] : 0) + unit(i) * gu_sum[s] : 0;
      dx.push_back(rstd[s] * (dy[i] * w[parameter_of[i]] - shared));
    }
  }
};

struct Data {
  Array x, dy, w, b;
  Data(DType dtype, int64 count, int64 parameters, double centre = 0.5)
      : x(Array::uniform(dtype, count, centre - 2, centre + 2, 1)),
        dy(Array::uniform(dtype, count, -1, 1, 2)),
        w(Array::uniform(dtype, parameters, 0.5, 1.5, 3)),
        b(Array::uniform(dtype, parameters, -1, 1, 4)) {}
  void compute(Reference& r) const { r.compute(x.values(), dy.values(), w.values(), b.values()); }
};

void expect_equal(const std::vector<Array>& results, const Reference& r) {
  const double terms = double(r.set_of.size() / std::max<std::size_t>(1, r.parameters));
  expect_close(results[0], r.y, 8, 2, "y");
  expect_close(results[1], r.dx, 16, 2, "dx");
  expect_close(results[2], r.dw, 8, 1 + terms / 4, "dw");
  expect_close(results[3], r.db, 8, 1 + terms / 4, "db");
}

std::vector<Array> run(const RowNorm& n, const Data& data) {
  Array y(n.dtype, data.x.size()), dx = y, dw(n.dtype, n.size), db = dw;
  Doubles mean(std::size_t(n.rows)), rstd = mean;
  const void* bias = n.centered ? data.b.data() : nullptr;
  row_norm(n, data.x.data(), data.w.data(), bias, y.data(), mean.data(), rstd.data());
  row_norm_backward(n, data.x.data(), data.dy.data(), data.w.data(), mean.data(), rstd.data(), dx.data(),
                    dw.data(), db.data());
  return {y, dx, dw, db};
}

TEST(RowNormKernels, EqualTheirFormulas) {
  for (const DType dtype : floating_types)
    for (const bool centered : {true, false})
      for (const auto& [rows, size] :
           std::vector<std::pair<int64, int64>>{{4, 7}, {33, 64}, {700, 48}, {3, 9000}, {1, 1}}) {
        SCOPED_TRACE(concat(dtype, " ", rows, " x ", size, centered ? " layer norm" : " RMS norm"));
        const RowNorm n{dtype, dtype, rows, size, 1e-5, centered};
        Data data(dtype, rows * size, size);
        if (!centered)
          for (int64 i = 0; i < size; ++i) data.b.set(i, 0);
        Reference r;
        r.sets = std::size_t(rows), r.parameters = std::size_t(size), r.centered = centered;
        for (int64 i = 0; i < rows * size; ++i)
          r.set_of.push_back(std::size_t(i / size)), r.parameter_of.push_back(std::size_t(i % size));
        if (size == 1 && centered) continue;  // dx is 0 up to rounding times rstd = 316
        data.compute(r);
        expect_equal(run(n, data), r);
        if (::testing::Test::HasFatalFailure()) return;
      }
}

TEST(RowNormKernels, KeepTheirAccuracyFarFromZero) {
  const RowNorm n{float32, float32, 16, 1024};
  const Data data(float32, n.rows * n.size, n.size, 1e4);
  Reference r;
  r.sets = 16, r.parameters = 1024;
  for (int64 i = 0; i < n.rows * n.size; ++i)
    r.set_of.push_back(std::size_t(i / n.size)), r.parameter_of.push_back(std::size_t(i % n.size));
  data.compute(r);
  const std::vector<Array> results = run(n, data);
  for (int64 i = 0; i < data.x.size(); ++i) ASSERT_NEAR(results[0][i], r.y[std::size_t(i)], 2e-6);
  expect_equal(results, r);
}

TEST(RowNormKernels, MayOmitWhatIsNotWanted) {
  const RowNorm n{float32, float32, 3, 20};
  const Data data(float32, 60, 20);
  Array y(float32, 60), dx = y;
  Doubles mean(3), rstd(3);
  row_norm(n, data.x.data(), nullptr, nullptr, y.data(), nullptr, nullptr);
  row_norm(n, data.x.data(), nullptr, nullptr, y.data(), mean.data(), rstd.data());
  row_norm_backward(n, data.x.data(), data.dy.data(), nullptr, mean.data(), rstd.data(), dx.data(), nullptr,
                    nullptr);
  double sum = 0;
  for (int64 i = 0; i < 20; ++i) sum += dx[i];
  EXPECT_NEAR(sum, 0, 1e-5);
}

/// groups == 0 is batch norm.
Reference reference_of(const ChannelNorm& n, int64 groups, const Data& data) {
  Reference r;
  r.parameters = std::size_t(n.channels), r.sets = std::size_t(groups ? n.batch * groups : n.channels);
  for (int64 i = 0; i < n.batch * n.channels * n.plane; ++i) {
    const int64 image = i / (n.channels * n.plane);
    const int64 channel = n.channels_last ? i % n.channels : i / n.plane % n.channels;
    r.parameter_of.push_back(std::size_t(channel));
    r.set_of.push_back(std::size_t(groups ? image * groups + channel / (n.channels / groups) : channel));
  }
  data.compute(r);
  return r;
}

std::vector<Array> run(const ChannelNorm& n, int64 groups, const Data& data) {
  Array y(n.dtype, data.x.size()), dx = y, dw(n.dtype, n.channels), db = dw;
  Doubles mean(std::size_t(n.batch * n.channels)), rstd = mean, variance = mean;
  const void *x = data.x.data(), *dy = data.dy.data(), *w = data.w.data(), *b = data.b.data();
  if (groups) {
    group_norm(n, groups, 1e-5, x, w, b, y.data(), mean.data(), rstd.data());
    group_norm_backward(n, groups, x, dy, w, mean.data(), rstd.data(), dx.data(), dw.data(), db.data());
  } else {
    batch_norm(n, 1e-5, x, w, b, y.data(), mean.data(), variance.data(), rstd.data());
    batch_norm_backward(n, true, x, dy, w, mean.data(), rstd.data(), dx.data(), dw.data(), db.data());
  }
  return {y, dx, dw, db};
}

std::vector<ChannelNorm> channel_samples() {
  std::vector<ChannelNorm> samples;
  for (const DType dtype : floating_types)
    for (const bool last : {true, false})
      for (const ChannelNorm& n :
           {ChannelNorm{dtype, dtype, 4, 6, 35, last}, ChannelNorm{dtype, dtype, 2, 40, 49, last},
            ChannelNorm{dtype, dtype, 33, 20, 1, last}, ChannelNorm{dtype, dtype, 3, 4, 3000, last}})
        samples.push_back(n);
  return samples;
}

TEST(ChannelNormKernels, EqualTheirFormulas) {
  for (const ChannelNorm& n : channel_samples())
    for (const int64 groups : {int64(0), int64(2), n.channels}) {
      if (groups && n.channels / groups * n.plane < 10) continue;
      SCOPED_TRACE(concat(n.dtype, " ", n.batch, " x ", n.channels, " x ", n.plane, ", groups ", groups,
                          n.channels_last ? ", channels last" : ""));
      const Data data(n.dtype, n.batch * n.channels * n.plane, n.channels);
      expect_equal(run(n, groups, data), reference_of(n, groups, data));
      if (::testing::Test::HasFatalFailure()) return;
    }
}

TEST(ChannelNormKernels, KeepTheirAccuracyFarFromZero) {
  for (const bool last : {true, false})
    for (const int64 groups : {0, 4}) {
      const ChannelNorm n{float32, float32, 4, 16, 256, last};
      const Data data(float32, n.batch * n.channels * n.plane, n.channels, 1e4);
      const Reference r = reference_of(n, groups, data);
      const std::vector<Array> results = run(n, groups, data);
      for (int64 i = 0; i < data.x.size(); ++i) ASSERT_NEAR(results[0][i], r.y[std::size_t(i)], 2e-6);
      expect_equal(results, r);
    }
}

TEST(ChannelNormKernels, BatchNormTakesGivenStatistics) {
  for (const ChannelNorm& n : channel_samples()) {
    const Data data(n.dtype, n.batch * n.channels * n.plane, n.channels);
    Reference r = reference_of(n, 0, data);
    r.y.clear(), r.dx.clear(), r.training = false;
    for (std::size_t c = 0; c < r.sets; ++c)
      r.mean[c] = 0.1 * double(c % 5), r.rstd[c] = 0.5 + 0.1 * double(c % 7);
    data.compute(r);
    Array y(n.dtype, data.x.size()), dx = y, dw(n.dtype, n.channels), db = dw;
    batch_norm_inference(n, data.x.data(), data.w.data(), data.b.data(), r.mean.data(), r.rstd.data(),
                         y.data());
    batch_norm_backward(n, false, data.x.data(), data.dy.data(), data.w.data(), r.mean.data(), r.rstd.data(),
                        dx.data(), dw.data(), db.data());
    expect_equal({y, dx, dw, db}, r);
  }
}

TEST(NormKernels, AreTheSameForAnyNumberOfThreads) {
  for (const DType dtype : {float32, bfloat16}) {
    const RowNorm n{dtype, dtype, 3001, 72};
    const Data data(dtype, n.rows * n.size, n.size);
    expect_same_for_threads([&] { return run(n, data); });
    for (const bool last : {true, false})
      for (const int64 groups : {0, 4}) {
        const ChannelNorm c{dtype, dtype, 9, 24, 700, last};
        const Data images(dtype, c.batch * c.channels * c.plane, c.channels);
        expect_same_for_threads([&] { return run(c, groups, images); });
      }
  }
}

}  // namespace
}  // namespace taper::cpu
