// The floating types: which one a dtype names, in which one a kernel computes, 16-bit ones to float32 and
// back.
#pragma once

#include <cstdint>
#include <type_traits>

#include "taper/dtype.h"
#include "taper/half.h"

namespace taper::cpu {

template <class T>
inline constexpr bool is_16_bit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

/// The type in which a kernel on T computes: float32 for the 16-bit types.
template <class T>
using Compute = std::conditional_t<is_16_bit<T>, float, T>;

template <class T>
void widen(const T* from, std::int64_t count, Compute<T>* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = Compute<T>(from[i]);
}

template <class T>
void narrow(const Compute<T>* from, std::int64_t count, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = T(from[i]);
}

/// Calls f(T()) with the floating type that dtype names.
template <class F>
void visit_floating(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f(float());
    case DType::float64: return f(double());
    case DType::float16: return f(Half());
    default: return f(BFloat16());
  }
}

}  // namespace taper::cpu
