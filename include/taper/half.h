// 16-bit floating types as storage: they convert to and from float, arithmetic happens in float.
#pragma once

#include <bit>
#include <cstdint>

namespace taper {

/// bfloat16: the upper half of a float32.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  explicit BFloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool nan = (word & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? std::uint16_t((word >> 16) | 0x40u)
               : std::uint16_t((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(std::uint32_t(bits) << 16); }
};

/// IEEE 754 binary16.
struct Half {
  std::uint16_t bits = 0;

  Half() = default;
  /// Rounds to nearest, ties to even; overflows to infinity; NaN stays NaN.
  explicit Half(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint16_t sign = std::uint16_t((word >> 16) & 0x8000u);
    const std::uint32_t magnitude = word & 0x7fffffffu;
    if (magnitude >= 0x47800000u) {  // 65536 and up, infinity, NaN
      bits = sign | std::uint16_t(magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u);
    } else if (magnitude <
               0x38800000u) {  // below 2^-14: adding 0.5 aligns the subnormal's bits and rounds them
      bits = sign | std::uint16_t(std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
                                  0x3f000000u);
    } else {
      bits = sign | std::uint16_t((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13);
    }
  }
  operator float() const {
    const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16;
    const std::uint32_t magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
    if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(float(magnitude) * 0x1p-24f));
  }
};

}  // namespace taper
