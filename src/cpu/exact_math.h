// exp, log, sin and cos as fixed sequences of IEEE operations without branches: a loop over them becomes
// vector code, and the bits are the same on every instruction set (files are built with -ffp-contract=off).
#pragma once

#include <bit>
#include <cstdint>

#define TAPER_INLINE inline __attribute__((always_inline))

namespace taper::cpu {

/// exp(x) for -87 <= x <= 0, within 2 ulp; the values at the ends beyond them. Cephes expf: minimax
/// polynomial on [-ln2/2, ln2/2].
TAPER_INLINE float exp_negative(float x) {
  constexpr float round = 12582912.f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float below = x > 0.f ? 0.f : x, clamped = below < -87.f ? -87.f : below;
  const float shifted = clamped * 1.44269504088896341f + round, n = shifted - round;
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * (r * r) + r) + 1.f;
  const auto power = (std::bit_cast<std::uint32_t>(shifted) - 0x4b400000u + 127u) << 23;
  return p * std::bit_cast<float>(power);
}

/// exp(x) for -708 <= x <= 0, within 2 ulp; the values at the ends beyond them. Taylor polynomial of degree
/// 13 on [-ln2/2, ln2/2].
TAPER_INLINE double exp_negative(double x) {
  constexpr double round = 6755399441055744.;  // 1.5 * 2^52
  const double below = x > 0. ? 0. : x, clamped = below < -708. ? -708. : below;
  const double shifted = clamped * 1.4426950408889634074 + round, n = shifted - round;
  const double r = (clamped - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
  double p = 1. / 6227020800;
  p = p * r + 1. / 479001600;
  p = p * r + 1. / 39916800;
  p = p * r + 1. / 3628800;
  p = p * r + 1. / 362880;
  p = p * r + 1. / 40320;
  p = p * r + 1. / 5040;
  p = p * r + 1. / 720;
  p = p * r + 1. / 120;
  p = p * r + 1. / 24;
  p = p * r + 1. / 6;
  p = p * r + 0.5;
  p = (p * (r * r) + r) + 1.;
  const auto power = (std::bit_cast<std::uint64_t>(shifted) - 0x4338000000000000u + 1023u) << 52;
  return p * std::bit_cast<double>(power);
}

}  // namespace taper::cpu
