// Functions of complex numbers that the standard library lacks.
#pragma once

#include <cmath>
#include <complex>

namespace taper::cpu {

/// log(1 + z), exact near 0.
inline std::complex<double> log1p(std::complex<double> z) {
  const double x = z.real(), y = z.imag();
  return {std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x)};
}

/// log(e^a + e^b) without overflow. Where both are 0 the angle is that of one of them.
inline std::complex<double> log_add_exp(std::complex<double> a, std::complex<double> b) {
  if (a != a || b != b) return {std::nan(""), std::nan("")};
  const bool first = a.real() >= b.real();
  const std::complex<double> larger = first ? a : b, smaller = first ? b : a;
  if (std::isinf(larger.real()) && smaller.real() == larger.real())
    return larger.real() < 0 ? smaller : std::log(std::exp(a) + std::exp(b));
  return larger + log1p(std::exp(smaller - larger));
}

}  // namespace taper::cpu
