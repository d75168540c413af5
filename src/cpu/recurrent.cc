// LSTM and GRU cells: one pass over the gates of each row.
#include "cpu/recurrent.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "taper/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/recurrent.cc"
#include <hwy/foreach_target.h>  // before highway.h
#include <hwy/highway.h>

#include "cpu/rows-inl.h"
#include "cpu/vector_activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu {
namespace HWY_NAMESPACE {

/// Calls f(d, row, unit, count) for the vectors of all rows, in parallel.
template <class T, class F>
void for_each_unit(const Cell& cell, F&& f) {
  const hn::ScalableTag<Compute<T>> d;
  const int64 grain = std::max<int64>(1, (1 << 10) / std::max<int64>(cell.hidden, 1));
  parallel_for(cell.rows, grain, [&](int64 begin, int64 end) {
    for (int64 row = begin; row < end; ++row)
      for_vectors(d, cell.hidden, [&](int64 unit, int64 count) { f(d, row, unit, count); });
  });
}

/// s (1 - s), the derivative of a sigmoid whose value is s.
template <class D, class V>
HWY_INLINE V sigmoid_slope(D d, V s) {
  return hn::Mul(s, hn::Sub(set(d, 1), s));
}
/// 1 - t^2, the derivative of a tanh whose value is t.
template <class D, class V>
HWY_INLINE V tanh_slope(D d, V t) {
  return hn::NegMulAdd(t, t, set(d, 1));
}

template <class T>
void lstm(const Cell& cell, T* gates, const T* c_before, T* c, T* h) {
  const int64 n = cell.hidden;
  for_each_unit<T>(cell, [=](auto d, int64 row, int64 unit, int64 count) {
    T* gate = gates + row * 4 * n + unit;
    const int64 at = row * n + unit;
    const auto i = sigmoid_of(d, load_as(d, gate, count)), f = sigmoid_of(d, load_as(d, gate + n, count));
    const auto g = tanh_of(d, load_as(d, gate + 2 * n, count)),
               o = sigmoid_of(d, load_as(d, gate + 3 * n, count));
    const auto state = hn::MulAdd(f, load_as(d, c_before + at, count), hn::Mul(i, g));
    store_as(d, i, gate, count), store_as(d, f, gate + n, count);
    store_as(d, g, gate + 2 * n, count), store_as(d, o, gate + 3 * n, count);
    store_as(d, state, c + at, count);
    store_as(d, hn::Mul(o, tanh_of(d, state)), h + at, count);
  });
}

template <class T>
void lstm_backward(const Cell& cell, const T* gates, const T* c_before, const T* c, const T* dh, const T* dc,
                   T* dgates, T* dc_before) {
  const int64 n = cell.hidden;
  for_each_unit<T>(cell, [=](auto d, int64 row, int64 unit, int64 count) {
    const T* gate = gates + row * 4 * n + unit;
    T* dgate = dgates + row * 4 * n + unit;
    const int64 at = row * n + unit;
    const auto i = load_as(d, gate, count), f = load_as(d, gate + n, count);
    const auto g = load_as(d, gate + 2 * n, count), o = load_as(d, gate + 3 * n, count);
    const auto t = tanh_of(d, load_as(d, c + at, count));
    const auto output = dh ? load_as(d, dh + at, count) : hn::Zero(d);
    auto state = dc ? load_as(d, dc + at, count) : hn::Zero(d);
    state = hn::MulAdd(hn::Mul(output, o), tanh_slope(d, t), state);
    const auto before = load_as(d, c_before + at, count);
    store_as(d, hn::Mul(hn::Mul(state, g), sigmoid_slope(d, i)), dgate, count);
    store_as(d, hn::Mul(hn::Mul(state, before), sigmoid_slope(d, f)), dgate + n, count);
    store_as(d, hn::Mul(hn::Mul(state, i), tanh_slope(d, g)), dgate + 2 * n, count);
    store_as(d, hn::Mul(hn::Mul(output, t), sigmoid_slope(d, o)), dgate + 3 * n, count);
    store_as(d, hn::Mul(state, f), dc_before + at, count);
  });
}

template <class T>
void gru(const Cell& cell, T* input_gates, const T* hidden_gates, const T* h_before, T* h) {
  const int64 n = cell.hidden;
  for_each_unit<T>(cell, [=](auto d, int64 row, int64 unit, int64 count) {
    T* gate = input_gates + row * 3 * n + unit;
    const T* hidden = hidden_gates + row * 3 * n + unit;
    const int64 at = row * n + unit;
    const auto r = sigmoid_of(d, hn::Add(load_as(d, gate, count), load_as(d, hidden, count)));
    const auto z = sigmoid_of(d, hn::Add(load_as(d, gate + n, count), load_as(d, hidden + n, count)));
    const auto candidate = hn::MulAdd(r, load_as(d, hidden + 2 * n, count), load_as(d, gate + 2 * n, count));
    const auto fresh = tanh_of(d, candidate);
    store_as(d, r, gate, count), store_as(d, z, gate + n, count), store_as(d, fresh, gate + 2 * n, count);
    const auto before = load_as(d, h_before + at, count);
    store_as(d, hn::MulAdd(z, hn::Sub(before, fresh), fresh), h + at, count);
  });
}

template <class T>
void gru_backward(const Cell& cell, const T* gates, const T* hidden_gates, const T* h_before, const T* dh,
                  T* dinput, T* dhidden, T* dh_before) {
  const int64 n = cell.hidden;
  for_each_unit<T>(cell, [=](auto d, int64 row, int64 unit, int64 count) {
    const int64 first = row * 3 * n + unit, at = row * n + unit;
    const auto r = load_as(d, gates + first, count), z = load_as(d, gates + first + n, count);
    const auto fresh = load_as(d, gates + first + 2 * n, count);
    const auto gradient = load_as(d, dh + at, count), before = load_as(d, h_before + at, count);
    const auto dfresh = hn::Mul(hn::Mul(gradient, hn::Sub(set(d, 1), z)), tanh_slope(d, fresh));
    const auto dz = hn::Mul(hn::Mul(gradient, hn::Sub(before, fresh)), sigmoid_slope(d, z));
    const auto through_r = hn::Mul(dfresh, load_as(d, hidden_gates + first + 2 * n, count));
    const auto dr = hn::Mul(through_r, sigmoid_slope(d, r));
    store_as(d, dr, dinput + first, count), store_as(d, dr, dhidden + first, count);
    store_as(d, dz, dinput + first + n, count), store_as(d, dz, dhidden + first + n, count);
    store_as(d, dfresh, dinput + first + 2 * n, count);
    store_as(d, hn::Mul(dfresh, r), dhidden + first + 2 * n, count);
    store_as(d, hn::Mul(gradient, z), dh_before + at, count);
  });
}

void run_lstm(const Cell& cell, void* gates, const void* c_before, void* c, void* h) {
  visit_floating(cell.dtype, [&]<class T>(T) {
    lstm(cell, static_cast<T*>(gates), static_cast<const T*>(c_before), static_cast<T*>(c),
         static_cast<T*>(h));
  });
}

void run_lstm_backward(const Cell& cell, const void* gates, const void* c_before, const void* c,
                       const void* dh, const void* dc, void* dgates, void* dc_before) {
  visit_floating(cell.dtype, [&]<class T>(T) {
    lstm_backward(cell, static_cast<const T*>(gates), static_cast<const T*>(c_before),
                  static_cast<const T*>(c), static_cast<const T*>(dh), static_cast<const T*>(dc),
                  static_cast<T*>(dgates), static_cast<T*>(dc_before));
  });
}

void run_gru(const Cell& cell, void* input_gates, const void* hidden_gates, const void* h_before, void* h) {
  visit_floating(cell.dtype, [&]<class T>(T) {
    gru(cell, static_cast<T*>(input_gates), static_cast<const T*>(hidden_gates),
        static_cast<const T*>(h_before), static_cast<T*>(h));
  });
}

void run_gru_backward(const Cell& cell, const void* gates, const void* hidden_gates, const void* h_before,
                      const void* dh, void* dinput, void* dhidden, void* dh_before) {
  visit_floating(cell.dtype, [&]<class T>(T) {
    gru_backward(cell, static_cast<const T*>(gates), static_cast<const T*>(hidden_gates),
                 static_cast<const T*>(h_before), static_cast<const T*>(dh), static_cast<T*>(dinput),
                 static_cast<T*>(dhidden), static_cast<T*>(dh_before));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace taper::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(run_lstm);
HWY_EXPORT(run_lstm_backward);
HWY_EXPORT(run_gru);
HWY_EXPORT(run_gru_backward);

namespace {

void check_type(const Cell& cell, const char* op) {
  check<DTypeError>(is_floating_point(cell.dtype), op, ": got ", cell.dtype, ", expected a floating type");
}

}  // namespace

void lstm_cell(const Cell& cell, void* gates, const void* c_before, void* c, void* h) {
  check_type(cell, "lstm_cell");
  HWY_DYNAMIC_DISPATCH(run_lstm)(cell, gates, c_before, c, h);
}

void lstm_cell_backward(const Cell& cell, const void* gates, const void* c_before, const void* c,
                        const void* dh, const void* dc, void* dgates, void* dc_before) {
  check_type(cell, "lstm_cell_backward");
  HWY_DYNAMIC_DISPATCH(run_lstm_backward)(cell, gates, c_before, c, dh, dc, dgates, dc_before);
}

void gru_cell(const Cell& cell, void* input_gates, const void* hidden_gates, const void* h_before, void* h) {
  check_type(cell, "gru_cell");
  HWY_DYNAMIC_DISPATCH(run_gru)(cell, input_gates, hidden_gates, h_before, h);
}

void gru_cell_backward(const Cell& cell, const void* gates, const void* hidden_gates, const void* h_before,
                       const void* dh, void* dinput_gates, void* dhidden_gates, void* dh_before) {
  check_type(cell, "gru_cell_backward");
  HWY_DYNAMIC_DISPATCH(run_gru_backward)
  (cell, gates, hidden_gates, h_before, dh, dinput_gates, dhidden_gates, dh_before);
}

}  // namespace taper::cpu
#endif
