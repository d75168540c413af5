// LSTM and GRU cells against their formulas, and their gradients against central differences.
#include "cpu/recurrent.h"

#include "kernel_testing.h"

namespace taper::cpu {
namespace {

using namespace testing;
using Doubles = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(RecurrentKernels, LstmEqualsItsFormula) {
  for (const DType dtype : floating_types) {
    const Cell cell{dtype, 5, 21};
    const int64 n = cell.hidden, count = cell.rows * n;
    Array gates = Array::uniform(dtype, 4 * count, -3, 3, 1), c(dtype, count), h(dtype, count);
    const Array before = Array::uniform(dtype, count, -2, 2, 2), raw = gates;
    lstm_cell(cell, gates.data(), before.data(), c.data(), h.data());
    Doubles want_c, want_h;
    for (int64 k = 0; k < count; ++k) {
      const int64 at = k / n * 4 * n + k % n;
      const double i = sigmoid(raw[at]), f = sigmoid(raw[at + n]), g = std::tanh(raw[at + 2 * n]);
      want_c.push_back(f * before[k] + i * g);
      want_h.push_back(sigmoid(raw[at + 3 * n]) * std::tanh(want_c.back()));
    }
    expect_close(c, want_c, 4, 2, "c");
    expect_close(h, want_h, 4, 1, "h");
  }
}

TEST(RecurrentKernels, GruEqualsItsFormula) {
  for (const DType dtype : floating_types) {
    const Cell cell{dtype, 5, 21};
    const int64 n = cell.hidden, count = cell.rows * n;
    Array gates = Array::uniform(dtype, 3 * count, -3, 3, 1), h(dtype, count);
    const Array hidden = Array::uniform(dtype, 3 * count, -2, 2, 3),
                before = Array::uniform(dtype, count, -2, 2, 2);
    const Array raw = gates;
    gru_cell(cell, gates.data(), hidden.data(), before.data(), h.data());
    Doubles want;
    for (int64 k = 0; k < count; ++k) {
      const int64 at = k / n * 3 * n + k % n;
      const double r = sigmoid(raw[at] + hidden[at]), z = sigmoid(raw[at + n] + hidden[at + n]);
      const double fresh = std::tanh(raw[at + 2 * n] + r * hidden[at + 2 * n]);
      want.push_back((1 - z) * fresh + z * before[k]);
    }
    expect_close(h, want, 6, 2, "h");
  }
}

/// Each element of x shifted by +-1e-6, the change of loss(x) must be that of gradient.
template <class F>
void expect_gradient(Array& x, const Array& gradient, F&& loss, const char* what) {
  for (int64 i = 0; i < x.size(); ++i) {
    const double value = x[i], step = 1e-6;
    x.set(i, value + step);
    const double up = loss();
    x.set(i, value - step);
    const double down = loss();
    x.set(i, value);
    ASSERT_NEAR((up - down) / (2 * step), gradient[i], 1e-8) << what << " " << i;
  }
}

double dot(const Array& a, const Array& b) {
  double sum = 0;
  for (int64 i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST(RecurrentKernels, LstmGradientsAreSlopes) {
  const Cell cell{float64, 2, 9};
  const int64 count = 18;
  Array raw = Array::uniform(float64, 4 * count, -2, 2, 1), before = Array::uniform(float64, count, -2, 2, 2);
  const Array dh = Array::uniform(float64, count, -1, 1, 3), dc = Array::uniform(float64, count, -1, 1, 4);
  Array gates, c(float64, count), h(float64, count), dgates(float64, 4 * count), dbefore(float64, count);
  const auto loss = [&] {
    gates = raw;
    lstm_cell(cell, gates.data(), before.data(), c.data(), h.data());
    return dot(h, dh) + dot(c, dc);
  };
  loss();
  lstm_cell_backward(cell, gates.data(), before.data(), c.data(), dh.data(), dc.data(), dgates.data(),
                     dbefore.data());
  expect_gradient(raw, dgates, loss, "dgates");
  expect_gradient(before, dbefore, loss, "dc_before");
}

TEST(RecurrentKernels, GruGradientsAreSlopes) {
  const Cell cell{float64, 2, 9};
  const int64 count = 18;
  Array raw = Array::uniform(float64, 3 * count, -2, 2, 1),
        hidden = Array::uniform(float64, 3 * count, -2, 2, 5);
  Array before = Array::uniform(float64, count, -2, 2, 2);
  const Array dh = Array::uniform(float64, count, -1, 1, 3);
  Array gates, h(float64, count), dinput(float64, 3 * count), dhidden = dinput, dbefore(float64, count);
  const auto loss = [&] {
    gates = raw;
    gru_cell(cell, gates.data(), hidden.data(), before.data(), h.data());
    return dot(h, dh);
  };
  loss();
  gru_cell_backward(cell, gates.data(), hidden.data(), before.data(), dh.data(), dinput.data(),
                    dhidden.data(), dbefore.data());
  expect_gradient(raw, dinput, loss, "dinput_gates");
  expect_gradient(hidden, dhidden, loss, "dhidden_gates");
  expect_gradient(before, dbefore, loss, "dh_before");
}

TEST(RecurrentKernels, AreTheSameForAnyNumberOfThreads) {
  expect_same_for_threads([] {
    const Cell cell{float32, 200, 64};
    Array gates = Array::uniform(float32, 200 * 256), c(float32, 200 * 64), h = c;
    const Array before = Array::uniform(float32, 200 * 64);
    lstm_cell(cell, gates.data(), before.data(), c.data(), h.data());
    return std::vector<Array>{gates, c, h};
  });
}

}  // namespace
}  // namespace taper::cpu
