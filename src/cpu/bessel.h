// Bessel functions and the Airy function, in float64: the formulas, for the CPU and for devices.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "cpu/host_device.h"

namespace taper::cpu::formulas {

/// e^-x I_order(x) for x >= 0: the power series (all terms positive), from 30 on Hankel's expansion (DLMF
/// 10.25.2, 10.40.1).
TAPER_HOST_DEVICE inline double scaled_i(int order, double x) {
  if (std::isinf(x)) return 0;
  if (x < 30) {
    const double q = x * x / 4;
    double term = order ? x / 2 : 1, sum = term;
    for (int k = 1; term > sum * 1e-17; ++k) sum += term *= q / (double(k) * (k + order));
    return sum * std::exp(-x);
  }
  const double mu = 4.0 * order * order;
  double term = 1, sum = 1;
  for (int k = 1; k < 40 && std::abs(term) > 1e-17; ++k) {
    const double odd = 2 * k - 1;
    sum += term *= -(mu - odd * odd) / (k * 8 * x);
  }
  return sum / std::sqrt(2 * pi * x);
}

/// I_order(x) for x >= 0, in two factors so that the exponential does not overflow first.
TAPER_HOST_DEVICE inline double plain_i(int order, double x) {
  if (std::isinf(x)) return x;
  const double root = std::exp(x / 2);
  return scaled_i(order, x) * root * root;
}

/// e^x K_order(x) = integral over t >= 0 of e^(-x (cosh t - 1)) cosh(order t) (DLMF 10.32.9) by the
/// trapezoidal rule, whose error falls exponentially with the step.
TAPER_HOST_DEVICE inline double scaled_k_integral(double order, double x) {
  const double step = std::min(0.25, 0.7 / std::sqrt(x));
  double sum = 0.5;
  for (int i = 1;; ++i) {
    const double t = step * i, half = std::sinh(t / 2), exponent = 2 * x * half * half;
    if (exponent > 40) break;
    sum += std::exp(-exponent) * std::cosh(order * t);
  }
  return step * sum;
}

/// K_0 or K_1 for 0 < x <= 1 by the power series with logarithm (DLMF 10.31.1, 10.31.2).
TAPER_HOST_DEVICE inline double small_k(int order, double x) {
  const double q = x * x / 4, log_half = std::log(x / 2);
  double term = order ? x / 2 : 1, harmonic = -2 * std::numbers::egamma + order, sum = 0;
  for (int k = 0; k < 30 && term > 0; ++k) {
    // harmonic: psi(k + 1) + psi(k + order + 1).
    sum += term * (harmonic / 2 - log_half);
    harmonic += 1.0 / (k + 1) + 1.0 / (k + 1 + order);
    term *= q / ((k + 1.0) * (k + 1 + order));
  }
  return order ? 1 / x - sum : sum;
}

template <int order, bool scaled>
TAPER_HOST_DEVICE inline double modified_k(double x) {
  if (std::isnan(x) || x < 0) return nan_value;
  if (x == 0) return infinity;
  if (x <= 1) return small_k(order, x) * (scaled ? std::exp(x) : 1);
  if (std::isinf(x)) return 0;
  return scaled_k_integral(order, x) * (scaled ? 1 : std::exp(-x));
}

template <int order, bool scaled>
TAPER_HOST_DEVICE inline double modified_i(double x) {
  if (std::isnan(x)) return x;
  const double size = std::abs(x), y = scaled ? scaled_i(order, size) : plain_i(order, size);
  return order && x < 0 ? -y : y;
}

TAPER_HOST_DEVICE inline double first_kind_0(double x) { return ::j0(x); }
TAPER_HOST_DEVICE inline double first_kind_1(double x) { return ::j1(x); }

TAPER_HOST_DEVICE inline double second_kind_0(double x) {
  if (std::isnan(x) || x < 0) return nan_value;
  return x == 0 ? -infinity : ::y0(x);
}

TAPER_HOST_DEVICE inline double second_kind_1(double x) {
  if (std::isnan(x) || x < 0) return nan_value;
  return x == 0 ? -infinity : ::y1(x);
}

TAPER_HOST_DEVICE inline double spherical_j0(double x) {
  if (std::isinf(x)) return 0;
  return std::abs(x) < 1e-4 ? 1 - x * x / 6 : std::sin(x) / x;
}

/// The Maclaurin series (DLMF 9.4.1), whose terms cancel the more the larger |x| is: Wide has more digits
/// than double. at_zero, slope: Ai(0) and -Ai'(0).
template <class Wide>
TAPER_HOST_DEVICE inline double airy_series(double x, Wide at_zero, Wide slope) {
  const Wide cube = Wide(x) * Wide(x) * Wide(x);
  Wide f = 1, g = x, f_sum = f, g_sum = g;
  for (int k = 1; k < 120; ++k) {
    f = f * (cube / ((3.0 * k - 1) * (3 * k)));
    g = g * (cube / ((3.0 * k) * (3 * k + 1)));
    f_sum = f_sum + f;
    g_sum = g_sum + g;
    if (std::abs(double(f)) + std::abs(double(g)) < 1e-25) break;
  }
  return double(at_zero * f_sum - slope * g_sum);
}

// The expansion for large negative arguments (DLMF 9.7.9).
TAPER_HOST_DEVICE inline double airy_oscillating(double x) {
  const double root = std::sqrt(-x), zeta = -2 * x * root / 3;
  double term = 1, even = 1, odd = 0;
  for (int k = 1; k < 25; ++k) {
    const double next = term * (6.0 * k - 5) * (6.0 * k - 1) / (72.0 * k * zeta);
    if (next > term || next < 1e-17) break;
    term = next;
    const double sign = k / 2 % 2 ? -1 : 1;
    (k % 2 ? odd : even) += sign * term;
  }
  const double phase = zeta - pi / 4;
  return (std::cos(phase) * even + std::sin(phase) * odd) / (std::sqrt(pi) * std::sqrt(root));
}

template <class Wide>
TAPER_HOST_DEVICE inline double airy(double x, Wide at_zero, Wide slope) {
  if (std::isnan(x)) return x;
  if (std::isinf(x)) return x > 0 ? 0 : nan_value;
  if (x < -9) return airy_oscillating(x);
  if (x < 2) return airy_series(x, at_zero, slope);
  const double zeta = 2 * x * std::sqrt(x) / 3;
  if (zeta > 800) return 0;  // below the least double
  return std::sqrt(x / 3) / pi * scaled_k_integral(1.0 / 3, zeta) * std::exp(-zeta);
}

}  // namespace taper::cpu::formulas
