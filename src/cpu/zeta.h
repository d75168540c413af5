// The Hurwitz zeta function, in float64: the formula, for the CPU and for devices.
#pragma once

#include <cmath>
#include <limits>

#include "cpu/host_device.h"

namespace taper::cpu::formulas {

/// Sum of (q + k)^-s over k >= 0 for s > 1, q > 0: ten terms, then Euler and Maclaurin's formula
/// (DLMF 25.11.5).
TAPER_HOST_DEVICE inline double zeta_positive(double s, double q) {
  // (2k)! / B_2k.
  constexpr double divisors[] = {12,
                                 -720,
                                 30240,
                                 -1209600,
                                 47900160,
                                 -1.8924375803183791606e9,
                                 7.47242496e10,
                                 -2.950130727918164224e12,
                                 1.1646782814350067249e14,
                                 -4.5979787224074726105e15,
                                 1.8152105401943546773e17,
                                 -7.1661652561756670113e18};
  constexpr double precision = std::numeric_limits<double>::epsilon() / 2;
  double sum = std::pow(q, -s), at = q, term = 0;
  for (int k = 0; k < 9 || at <= 9; ++k) {
    term = std::pow(at += 1, -s);
    sum += term;
    if (term < precision * sum) return sum;
  }
  sum += term * at / (s - 1) - term / 2;
  double rising = 1;
  for (int k = 0; k < 12; ++k) {
    rising *= s + 2 * k;
    term /= at;
    const double correction = rising * term / divisors[k];
    sum += correction;
    if (std::abs(correction) < precision * std::abs(sum)) break;
    rising *= s + 2 * k + 1;
    term /= at;
  }
  return sum;
}

TAPER_HOST_DEVICE inline double hurwitz_zeta(double s, double q) {
  if (std::isnan(s) || std::isnan(q) || s < 1) return nan_value;
  if (s == 1) return infinity;
  if (q > 0) return std::isinf(q) ? 0 : zeta_positive(s, q);
  if (q == std::floor(q)) return infinity;
  if (s != std::floor(s)) return nan_value;
  // The terms below zero, counted from the one nearest to it, and those above.
  const double below = std::floor(-q), rest = -q - below;
  const double sign = std::fmod(s, 2) == 0 ? 1 : -1;
  return sign * (zeta_positive(s, rest) - zeta_positive(s, rest + below + 1)) + zeta_positive(s, 1 - rest);
}

}  // namespace taper::cpu::formulas
