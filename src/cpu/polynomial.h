// Orthogonal polynomials by their three-term recurrences (DLMF 18.9), in the type of the operands: the
// formulas, for the CPU and for devices.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "cpu/host_device.h"

namespace taper::cpu::formulas {

inline constexpr std::int64_t largest_degree = 1'000'000;

/// p_n(x) from p_0 = 1, p_1 and next(k, p_k, p_k-1) = p_k+1.
template <class T, class Next>
TAPER_HOST_DEVICE T recurrence(std::int64_t n, T first, Next&& next) {
  if (n == 0) return 1;
  T before = 1, value = first;
  for (std::int64_t k = 1; k < n && !std::isnan(value); ++k) {
    const T after = next(T(k), value, before);
    before = value;
    value = after;
  }
  return value;
}

/// Chebyshev polynomials of the four kinds; inside of (-1, 1) the trigonometric form for high degrees.
template <char kind>
struct Chebyshev {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, std::int64_t n) const {
    const T count = T(n), even = n % 2 == 0 ? 1 : -1;
    if (std::abs(x) == 1) {
      if constexpr (kind == 't') return x > 0 ? 1 : even;
      if constexpr (kind == 'u') return (count + 1) * (x > 0 ? 1 : even);
      if constexpr (kind == 'v') return x > 0 ? 1 : even * (2 * count + 1);
      if constexpr (kind == 'w') return x > 0 ? 2 * count + 1 : even;
    }
    if (n > 8 && std::abs(x) < 1) {
      const T angle = std::acos(x);
      if constexpr (kind == 't') return std::cos(count * angle);
      if constexpr (kind == 'u') return std::sin((count + 1) * angle) / std::sin(angle);
      if constexpr (kind == 'v') return std::cos((count + T(0.5)) * angle) / std::cos(angle / 2);
      if constexpr (kind == 'w') return std::sin((count + T(0.5)) * angle) / std::sin(angle / 2);
    }
    const T first = kind == 't' ? x : kind == 'u' ? 2 * x : kind == 'v' ? 2 * x - 1 : 2 * x + 1;
    return recurrence(n, first, [x](T, T value, T before) { return 2 * x * value - before; });
  }
};

template <char kind>
struct ShiftedChebyshev {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, std::int64_t n) const {
    return Chebyshev<kind>{}(2 * x - 1, n);
  }
};

struct HermiteH {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, std::int64_t n) const {
    return recurrence(n, 2 * x, [x](T k, T value, T before) { return 2 * x * value - 2 * k * before; });
  }
};
struct HermiteHe {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, std::int64_t n) const {
    return recurrence(n, x, [x](T k, T value, T before) { return x * value - k * before; });
  }
};
struct Laguerre {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, std::int64_t n) const {
    return recurrence(
        n, 1 - x, [x](T k, T value, T before) { return ((2 * k + 1 - x) * value - k * before) / (k + 1); });
  }
};
struct Legendre {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, std::int64_t n) const {
    return recurrence(
        n, x, [x](T k, T value, T before) { return ((2 * k + 1) * x * value - k * before) / (k + 1); });
  }
};

/// The degree is truncated to an integer.
template <class F>
struct OfDegree {
  template <class T>
  TAPER_HOST_DEVICE T operator()(T x, T degree) const {
    if (std::isnan(degree) || degree > T(largest_degree)) return std::numeric_limits<T>::quiet_NaN();
    if (degree <= -1) return 0;
    return F{}(x, std::int64_t(degree));
  }
};

}  // namespace taper::cpu::formulas
