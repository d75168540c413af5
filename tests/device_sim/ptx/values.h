// The number types of PTX, as the interpreter keeps them in 64-bit registers.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace device_sim {

using Half = _Float16;

/// bfloat16: the upper half of a float32. Conversions round to nearest, ties to even.
struct Bfloat16 {
  uint16_t bits = 0;
  Bfloat16() = default;
  explicit Bfloat16(double value);
  operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

/// Two numbers in one 32-bit register, the lower first.
template <class T>
struct Pair {
  T low{}, high{};
};

template <class T>
inline constexpr bool is_small_float = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat16>;
template <class T>
inline constexpr bool is_floating = std::is_floating_point_v<T> || is_small_float<T>;

/// NaN as a GPU writes it: positive, all bits of the fraction set.
template <class T>
T canonical_nan() {
  if constexpr (std::is_same_v<T, double>) return std::bit_cast<double>(0x7fffffffffffffffull);
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<float>(0x7fffffffu);
  if constexpr (is_small_float<T>) return std::bit_cast<T>(uint16_t(0x7fff));
}

template <class T>
bool is_nan(T value) {
  if constexpr (is_small_float<T>) return std::isnan(float(value));
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

/// `value` rounded once to T, NaN in its canonical form.
template <class T>
T rounded(double value) {
  return std::isnan(value) ? canonical_nan<T>() : T(value);
}

inline Bfloat16::Bfloat16(double value) {
  // Through float with rounding to odd, so that the second rounding sees what the first cut off.
  float narrow = float(value);
  uint32_t pattern = std::bit_cast<uint32_t>(narrow);
  if (std::isnan(value)) {
    bits = 0x7fff;
    return;
  }
  if (double(narrow) != value && !std::isinf(narrow)) {
    if (std::abs(double(narrow)) > std::abs(value)) --pattern;
    pattern |= 1;
  }
  bits = uint16_t((pattern + 0x7fff + (pattern >> 16 & 1)) >> 16);
}

/// `value` with 10 bits of fraction, to nearest, halves away from zero: what tensor cores take of a float32.
inline double to_tf32(double value) {
  const auto bits = std::bit_cast<uint32_t>(float(value));
  return std::isfinite(value) ? std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu) : value;
}

/// The low bits of a register as a T.
template <class T>
T from_register(uint64_t bits) {
  static_assert(sizeof(T) <= 8);
  if constexpr (std::is_integral_v<T>) return T(bits);
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}

/// Signed integers are extended with their sign, everything else with zeros.
template <class T>
uint64_t to_register(T value) {
  if constexpr (std::is_integral_v<T>)
    return uint64_t(int64_t(value)) & (std::is_signed_v<T> ? ~0ull : (~0ull >> (64 - 8 * sizeof(T))));
  uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const void*>(&value), sizeof value);
  return bits;
}

}  // namespace device_sim
