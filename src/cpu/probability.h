// Functions of probability theory and the incomplete gamma function, in float64: the formulas, for the CPU
// and for devices.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "cpu/host_device.h"

namespace taper::cpu::formulas {

/// e^(x^2) with the rounding error of the square put back.
TAPER_HOST_DEVICE inline double exp_square(double x) {
  const double square = x * x;
  return std::isinf(square) ? infinity : std::exp(square) * (1 + std::fma(x, x, -square));
}

TAPER_HOST_DEVICE inline double scaled_erfc(double x) {
  if (std::isnan(x)) return x;
  if (x < -26.7) return infinity;
  if (x < 25) return exp_square(x) * std::erfc(x);
  const double inverse = 1 / x, half = inverse * inverse / 2;
  return inverse / std::sqrt(pi) * (1 - half * (1 - 3 * half * (1 - 5 * half * (1 - 7 * half))));
}

/// A start within 4.5e-4 (Abramowitz & Stegun 26.2.23), then Halley's iteration on erfc, which triples the
/// number of digits: one step for float32, two for float64.
template <int steps>
TAPER_HOST_DEVICE inline double normal_quantile(double p) {
  if (std::isnan(p) || p < 0 || p > 1) return nan_value;
  if (p == 0) return -infinity;
  if (p == 1) return infinity;
  const bool upper = p > 0.5;
  const double tail = upper ? 1 - p : p, t = std::sqrt(-2 * std::log(tail));
  double x = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
  for (int i = 0; i < steps; ++i) {
    // (Phi(x) - p) / phi(x), written with erfcx so that nothing underflows.
    const double log_density = -x * x / 2 - std::log(2 * pi) / 2;
    const double step =
        scaled_erfc(-x / std::numbers::sqrt2) * std::sqrt(pi / 2) - tail / std::exp(log_density);
    if (!std::isfinite(step)) break;
    x -= step / (1 + x * step / 2);
  }
  return upper ? -x : x;
}

TAPER_HOST_DEVICE inline double entropy(double x) {
  if (std::isnan(x)) return x;
  if (x > 0) return -x * std::log(x);
  return x == 0 ? 0 : -infinity;
}

/// x^a e^-x / Gamma(a + 1); from a = 10 on with Stirling's series, so that large terms do not cancel.
TAPER_HOST_DEVICE inline double gamma_prefactor(double a, double x) {
  if (a < 10) return std::exp(a * std::log(x) - x - std::lgamma(a + 1));
  const double mu = (x - a) / a, square = a * a;
  double log_term = std::log1p(mu) - mu;
  if (std::abs(mu) < 0.1) {
    // log1p(mu) - mu by its series.
    double power = mu * mu, sum = 0;
    for (int k = 2; k < 40 && std::abs(power) > 1e-19 * mu * mu; ++k, power *= -mu) sum -= power / k;
    log_term = sum;
  }
  const double stirling = (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / square) / square) / square) / a;
  return std::exp(a * log_term - stirling) / std::sqrt(2 * pi * a);
}

/// Temme's expansion for large a, first term: error of the order of 1 / a^1.5.
TAPER_HOST_DEVICE inline double uniform_upper(double a, double x) {
  const double mu = (x - a) / a, sign = mu < 0 ? -1 : 1;
  const double eta = sign * std::sqrt(std::max(0.0, 2 * (mu - std::log1p(mu))));
  const double first = std::abs(mu) < 1e-4 ? -1.0 / 3 + mu / 12 : 1 / mu - 1 / eta;
  return std::erfc(eta * std::sqrt(a / 2)) / 2 + std::exp(-a * eta * eta / 2) / std::sqrt(2 * pi * a) * first;
}

/// The upper function by Legendre's continued fraction (DLMF 8.9.2), Lentz's method.
TAPER_HOST_DEVICE inline double upper_by_fraction(double a, double x) {
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int i = 1; i < 20000; ++i) {
    const double factor = -i * (i - a);
    b += 2;
    d = factor * d + b;
    if (std::abs(d) < 1e-300) d = 1e-300;
    c = b + factor / c;
    if (std::abs(c) < 1e-300) c = 1e-300;
    d = 1 / d;
    h *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return h * gamma_prefactor(a, x) * a;
}

TAPER_HOST_DEVICE inline double lower_by_series(double a, double x) {
  double term = 1, sum = 1;
  for (int k = 1; k < 20000 && term > sum * 1e-17; ++k) sum += term *= x / (a + k);
  return sum * gamma_prefactor(a, x);
}

template <bool upper>
TAPER_HOST_DEVICE inline double incomplete_gamma(double a, double x) {
  if (std::isnan(a) || std::isnan(x) || a < 0 || x < 0) return nan_value;
  if (a == 0) return x > 0 ? (upper ? 0 : 1) : nan_value;
  if (x == 0) return upper ? 1 : 0;
  if (std::isinf(a)) return std::isinf(x) ? nan_value : (upper ? 1 : 0);
  if (std::isinf(x)) return upper ? 0 : 1;
  if (a > 1e5) {
    const double y = uniform_upper(a, x);
    return upper ? y : 1 - y;
  }
  if (x < a + 1) {
    const double y = lower_by_series(a, x);
    return upper ? 1 - y : y;
  }
  const double y = upper_by_fraction(a, x);
  return upper ? y : 1 - y;
}

TAPER_HOST_DEVICE inline double times_log1p(double x, double y) {
  if (std::isnan(y)) return y;
  return x == 0 ? 0 : x * std::log1p(y);
}

TAPER_HOST_DEVICE inline double mantissa(double x) {
  int exponent;
  return std::frexp(x, &exponent);
}
TAPER_HOST_DEVICE inline double exponent(double x) {
  int exponent = 0;
  if (std::isfinite(x)) std::frexp(x, &exponent);
  return exponent;
}

}  // namespace taper::cpu::formulas
