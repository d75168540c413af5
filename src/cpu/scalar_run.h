// Runs of an elementwise function one element at a time (the compiler makes vectors of what it can).
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/map.h"

// The output may be an input, element for element, which leaves the iterations independent.
#ifdef __clang__
#define TAPER_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define TAPER_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace taper::cpu {

template <class F>
inline F make_function(const void* attributes) {
  if constexpr (std::is_constructible_v<F, const void*>) return F(attributes);
  else return F{};
}

/// A Run of F, which may be constructed from the attributes, for values of type In written as Out.
template <class F, class In, class Out = In>
void run_unary(const void* const* inputs, const int* steps, void* output, std::int64_t n,
               const void* attributes) {
  const F f = make_function<F>(attributes);
  const In* x = static_cast<const In*>(inputs[0]);
  Out* out = static_cast<Out*>(output);
  if (steps[0]) {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(x[i]);
  } else {
    const Out value = f(*x);
    for (std::int64_t i = 0; i < n; ++i) out[i] = value;
  }
}

template <class F, class In, class Out = In>
void run_binary(const void* const* inputs, const int* steps, void* output, std::int64_t n,
                const void* attributes) {
  const F f = make_function<F>(attributes);
  const In* a = static_cast<const In*>(inputs[0]);
  const In* b = static_cast<const In*>(inputs[1]);
  Out* out = static_cast<Out*>(output);
  if (steps[0] && steps[1]) {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  } else if (steps[0]) {
    const In right = *b;
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], right);
  } else if (steps[1]) {
    const In left = *a;
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(left, b[i]);
  } else {
    const Out value = f(*a, *b);
    for (std::int64_t i = 0; i < n; ++i) out[i] = value;
  }
}

/// First: the type of input 0, which is bool for a condition.
template <class F, class First, class In, class Out = In>
void run_ternary(const void* const* inputs, const int* steps, void* output, std::int64_t n,
                 const void* attributes) {
  const F f = make_function<F>(attributes);
  const First* a = static_cast<const First*>(inputs[0]);
  const In* b = static_cast<const In*>(inputs[1]);
  const In* c = static_cast<const In*>(inputs[2]);
  Out* out = static_cast<Out*>(output);
  if (steps[0] && steps[1] && steps[2]) {
    TAPER_INDEPENDENT
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i], c[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i * steps[0]], b[i * steps[1]], c[i * steps[2]]);
  }
}

}  // namespace taper::cpu
