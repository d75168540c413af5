// The digamma function, in float64: the formula, for the CPU and for devices.
#pragma once

#include <cmath>

#include "cpu/host_device.h"

namespace taper::cpu::formulas {

/// Reflection for negative x, recurrence up to 10, then the asymptotic series (Bernoulli numbers over 2k
/// x^2k).
TAPER_HOST_DEVICE inline double digamma(double x) {
  if (x == 0) return std::copysign(infinity, -x);
  double y = 0;
  if (x < 0) {
    if (x == std::floor(x)) return std::nan("");
    y = -3.1415926535897931 / std::tan(3.1415926535897931 * (x - std::round(x)));
    x = 1 - x;
  }
  for (; x < 10; ++x) y -= 1 / x;
  const double z = 1 / (x * x);
  constexpr double c[] = {1. / 12, -1. / 120, 1. / 252, -1. / 240, 1. / 132, -691. / 32760, 1. / 12};
  double series = 0;
  for (int i = 6; i >= 0; --i) series = (series + c[i]) * z;
  return y + std::log(x) - 0.5 / x - series;
}

}  // namespace taper::cpu::formulas
