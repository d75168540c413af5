// Bessel functions and the Airy function, in float64.
#include <cmath>
#include <limits>
#include <numbers>

#include "cpu/scalar_run.h"
#include "cpu/special.h"

namespace taper::cpu {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double pi = std::numbers::pi;

/// e^-x I_order(x) for x >= 0: the power series (all terms positive), from 30 on Hankel's expansion (DLMF
/// 10.25.2, 10.40.1).
double scaled_i(int order, double x) {
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
double plain_i(int order, double x) {
  if (std::isinf(x)) return x;
  const double root = std::exp(x / 2);
  return scaled_i(order, x) * root * root;
}

/// e^x K_order(x) = integral over t >= 0 of e^(-x (cosh t - 1)) cosh(order t) (DLMF 10.32.9) by the
/// trapezoidal rule, whose error falls exponentially with the step.
double scaled_k_integral(double order, double x) {
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
double small_k(int order, double x) {
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
double modified_k(double x) {
  if (std::isnan(x) || x < 0) return nan_value;
  if (x == 0) return infinity;
  if (x <= 1) return small_k(order, x) * (scaled ? std::exp(x) : 1);
  if (std::isinf(x)) return 0;
  return scaled_k_integral(order, x) * (scaled ? 1 : std::exp(-x));
}

template <int order, bool scaled>
double modified_i(double x) {
  if (std::isnan(x)) return x;
  const double size = std::abs(x), y = scaled ? scaled_i(order, size) : plain_i(order, size);
  return order && x < 0 ? -y : y;
}

double second_kind(double (*y)(double), double x) {
  if (std::isnan(x) || x < 0) return nan_value;
  return x == 0 ? -infinity : y(x);
}

double spherical_j0(double x) {
  if (std::isinf(x)) return 0;
  return std::abs(x) < 1e-4 ? 1 - x * x / 6 : std::sin(x) / x;
}

// The Maclaurin series (DLMF 9.4.1) in long double, whose terms cancel the more the larger |x| is.
double airy_series(double x) {
  const long double cube = static_cast<long double>(x) * x * x;
  long double f = 1, g = x, f_sum = f, g_sum = g;
  for (int k = 1; k < 120; ++k) {
    f *= cube / ((3.0L * k - 1) * (3 * k));
    g *= cube / ((3.0L * k) * (3 * k + 1));
    f_sum += f;
    g_sum += g;
    if (std::abs(f) + std::abs(g) < 1e-25L) break;
  }
  return double(0.355028053887817239260063186004183L * f_sum - 0.258819403792806798405183560189204L * g_sum);
}

// The expansion for large negative arguments (DLMF 9.7.9).
double airy_oscillating(double x) {
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

double airy(double x) {
  if (std::isnan(x)) return x;
  if (std::isinf(x)) return x > 0 ? 0 : nan_value;
  if (x < -9) return airy_oscillating(x);
  if (x < 2) return airy_series(x);
  const double zeta = 2 * x * std::sqrt(x) / 3;
  if (zeta > 800) return 0;  // below the least double
  return std::sqrt(x / 3) / pi * scaled_k_integral(1.0 / 3, zeta) * std::exp(-zeta);
}

template <double (*f)(double)>
struct Of {
  template <class T>
  T operator()(T x) const {
    return T(f(double(x)));
  }
};

template <double (*f)(double)>
constexpr Kernel kernel_of(const char* name) {
  return {.name = name, .f32 = run_unary<Of<f>, float>, .f64 = run_unary<Of<f>, double>};
}

double first_y0(double x) { return second_kind(::y0, x); }
double first_y1(double x) { return second_kind(::y1, x); }
double first_j0(double x) { return ::j0(x); }
double first_j1(double x) { return ::j1(x); }

}  // namespace

namespace kernels {

const Kernel bessel_j0 = kernel_of<first_j0>("bessel_j0");
const Kernel bessel_j1 = kernel_of<first_j1>("bessel_j1");
const Kernel bessel_y0 = kernel_of<first_y0>("bessel_y0");
const Kernel bessel_y1 = kernel_of<first_y1>("bessel_y1");
const Kernel modified_bessel_i0 = kernel_of<modified_i<0, false>>("modified_bessel_i0");
const Kernel modified_bessel_i1 = kernel_of<modified_i<1, false>>("modified_bessel_i1");
const Kernel scaled_modified_bessel_i0 = kernel_of<modified_i<0, true>>("i0e");
const Kernel scaled_modified_bessel_i1 = kernel_of<modified_i<1, true>>("i1e");
const Kernel modified_bessel_k0 = kernel_of<modified_k<0, false>>("modified_bessel_k0");
const Kernel modified_bessel_k1 = kernel_of<modified_k<1, false>>("modified_bessel_k1");
const Kernel scaled_modified_bessel_k0 = kernel_of<modified_k<0, true>>("scaled_modified_bessel_k0");
const Kernel scaled_modified_bessel_k1 = kernel_of<modified_k<1, true>>("scaled_modified_bessel_k1");
const Kernel spherical_bessel_j0 = kernel_of<spherical_j0>("spherical_bessel_j0");
const Kernel airy_ai = kernel_of<airy>("airy_ai");

}  // namespace kernels

}  // namespace taper::cpu
