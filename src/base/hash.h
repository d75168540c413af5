// A hash that is the same in every process.
#pragma once

#include <cstdint>
#include <string_view>

namespace taper {

/// Fowler, Noll and Vo's hash, 64 bits, variant 1a; seed is mixed into its offset.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t seed = 0) {
  std::uint64_t value = 14695981039346656037ull ^ seed;
  for (const char byte : text) value = (value ^ std::uint8_t(byte)) * 1099511628211ull;
  return value;
}

}  // namespace taper
