// Numbers as unsigned keys in the same order, alone or with their position, which makes every sort stable.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "taper/half.h"

namespace taper::cpu {

/// 32 bits for types of up to four bytes, else 64.
template <class T>
using OrderKey = std::conditional_t<sizeof(T) <= 4, std::uint32_t, std::uint64_t>;

/// Increases with x. NaN, of either sign, is above all else; -0 and 0 are equal.
template <class T>
inline OrderKey<T> order_key(T x) {
  using Key = OrderKey<T>;
  constexpr Key sign = Key(1) << (sizeof(Key) * 8 - 1);
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return order_key(float(x));
  } else if constexpr (std::is_floating_point_v<T>) {
    const Key bits = std::bit_cast<Key>(x == T(0) ? T(0) : x);
    const Key key = bits & sign ? Key(~bits) : Key(bits | sign);
    return x != x ? ~Key(0) : key;
  } else {
    // Narrow integers fill the leading bits, by which selection tells keys apart.
    constexpr int up = int(sizeof(Key) - sizeof(T)) * 8;
    return (Key(std::make_unsigned_t<T>(x)) << up) ^ (std::is_signed_v<T> ? sign : Key(0));
  }
}

/// As order_key, or its complement: NaN is then below all else.
template <class T>
inline OrderKey<T> order_key(T x, bool descending) {
  return descending ? OrderKey<T>(~order_key(x)) : order_key(x);
}

/// A 64-bit key with its position, in the layout of hwy::uint128_t.
struct alignas(16) WidePacked {
  std::uint64_t position, key;

  friend bool operator<(const WidePacked& a, const WidePacked& b) {
    return a.key < b.key || (a.key == b.key && a.position < b.position);
  }
};

/// Key and position in one number: all differ, and equal keys keep the order of their positions.
template <class T>
using Packed = std::conditional_t<sizeof(T) <= 4, std::uint64_t, WidePacked>;

template <class T>
inline Packed<T> pack(T x, bool descending, std::int64_t position) {
  if constexpr (sizeof(T) <= 4)
    return std::uint64_t(order_key(x, descending)) << 32 | std::uint64_t(position);
  else return {std::uint64_t(position), order_key(x, descending)};
}

inline std::int64_t position_of(std::uint64_t packed) { return std::int64_t(packed & 0xffffffffu); }
inline std::int64_t position_of(const WidePacked& packed) { return std::int64_t(packed.position); }
inline std::uint64_t key_of(std::uint64_t packed) { return packed >> 32; }
inline std::uint64_t key_of(const WidePacked& packed) { return packed.key; }

/// Rows of types of up to four bytes must be shorter than this; in 64-bit machines' memory only bytes could
/// be longer.
inline constexpr std::int64_t longest_packed = std::int64_t(1) << 32;

}  // namespace taper::cpu
