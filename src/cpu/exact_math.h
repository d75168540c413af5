// exp, log, sin and cos as fixed sequences of IEEE operations without branches: a loop over them becomes
// vector code, and the bits are the same on every instruction set (files are built with -ffp-contract=off).
#pragma once

#include <bit>
#include <cstdint>

#define TAPER_INLINE inline __attribute__((always_inline))

namespace taper::cpu {

/// exp(x) for -87 <= x <= 0, within 2 ulp; the values at the ends beyond them. Cephes expf: minimax
/// polynomial on [-ln2/2, ln2/2].
constexpr TAPER_INLINE float exp_negative(float x) {
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
constexpr TAPER_INLINE double exp_negative(double x) {
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

/// log(x) for normal x > 0, within 2 ulp. Cephes logf: polynomial on [sqrt(1/2), sqrt(2)].
constexpr TAPER_INLINE float log_positive(float x) {
  const std::uint32_t word = std::bit_cast<std::uint32_t>(x) - 0x3f3504f3u;
  const float e = float(std::int32_t(word) >> 23);
  const float f = std::bit_cast<float>((word & 0x7fffffu) + 0x3f3504f3u) - 1.f, square = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float tail = (p * f * square + e * -2.12194440e-4f) - 0.5f * square;
  return (f + tail) + e * 0.693359375f;
}

/// log(x) for normal x > 0, within 1 ulp. fdlibm's e_log.c: log(1+f) = f - f^2/2 + s (f^2/2 + R(s)), s = f /
/// (2 + f).
constexpr TAPER_INLINE double log_positive(double x) {
  const std::uint64_t word = std::bit_cast<std::uint64_t>(x) + 0x00095f6200000000u;  // 1 - sqrt(1/2), as bits
  // The exponent through the low bits of 2^52, since few machines convert 64-bit integers in vectors.
  const double e = std::bit_cast<double>((word >> 52) | 0x4330000000000000u) - 4503599627371519.;
  const double f = std::bit_cast<double>((word & 0xfffffffffffffu) + 0x3fe6a09e00000000u) - 1.;
  const double s = f / (2. + f), z = s * s, w = z * z, half = 0.5 * f * f;
  const double even =
      w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double odd =
      z * (6.666666666666735130e-01 +
           w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  return e * 6.93147180369123816490e-01 +
         (f - (half - (s * (half + (even + odd)) + e * 1.90821492927058770002e-10)));
}

/// Cosine and sine of an angle.
template <class T>
struct CosSin {
  T cos, sin;
};

/// Of 2 pi turn / 2^32. The nearest quarter turn is taken off exactly; Cephes sinf, cosf on [-pi/4, pi/4].
constexpr TAPER_INLINE CosSin<float> cos_sin_of_turn(std::uint32_t turn) {
  const std::uint32_t quarter = (turn + 0x20000000u) >> 30;
  const float x = float(std::int32_t(turn - (quarter << 30))) * 1.46291807926715968e-9f;  // pi/2 / 2^30
  const float z = x * x;
  const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
  const float c =
      ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * (z * z) - 0.5f * z +
      1.f;
  const std::uint32_t sine = std::bit_cast<std::uint32_t>(s), cosine = std::bit_cast<std::uint32_t>(c);
  const std::uint32_t swap = (0u - (quarter & 1u)) & (sine ^ cosine);
  return {std::bit_cast<float>((cosine ^ swap) ^ (((quarter + 1u) & 2u) << 30)),
          std::bit_cast<float>((sine ^ swap) ^ ((quarter & 2u) << 30))};
}

/// Of 2 pi turn / 2^64, to 53 bits. fdlibm's k_sin.c and k_cos.c on [-pi/4, pi/4].
constexpr TAPER_INLINE CosSin<double> cos_sin_of_turn(std::uint64_t turn) {
  const std::uint64_t quarter = (turn + 0x2000000000000000u) >> 62;
  const std::uint64_t part = std::uint64_t(std::int64_t(turn - (quarter << 62)) >> 10);
  const double x = (std::bit_cast<double>(part + 0x4338000000000000u) - 6755399441055744.) *
                   3.48786849800863158e-16;  // pi/2 / 2^52
  const double z = x * x;
  const double s =
      x + (z * x) * (-1.66666666666666324348e-01 +
                     z * (8.33333333332248946124e-03 +
                          z * (-1.98412698298579493134e-04 +
                               z * (2.75573137070700676789e-06 +
                                    z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  const double c =
      1. - (0.5 * z -
            (z * z) * (4.16666666666666019037e-02 +
                       z * (-1.38888888888741095749e-03 +
                            z * (2.48015872894767294178e-05 +
                                 z * (-2.75573143513906633035e-07 +
                                      z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
  const std::uint64_t sine = std::bit_cast<std::uint64_t>(s), cosine = std::bit_cast<std::uint64_t>(c);
  const std::uint64_t swap = (0u - (quarter & 1u)) & (sine ^ cosine);
  return {std::bit_cast<double>((cosine ^ swap) ^ (((quarter + 1u) & 2u) << 62)),
          std::bit_cast<double>((sine ^ swap) ^ ((quarter & 2u) << 62))};
}

}  // namespace taper::cpu
