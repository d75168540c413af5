// The Philox 4x32-10 generator: a block cipher of a counter, so any number of a stream can be had at once.
#pragma once

#include <array>
#include <cstdint>

namespace taper::cpu {

/// Block `counter` of stream `seed`: Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as
/// 1, 2, 3", section 3.3. The high words of the counter are free for independent streams.
constexpr std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t counter,
                                              std::uint64_t stream = 0) {
  auto c0 = std::uint32_t(counter), c1 = std::uint32_t(counter >> 32);
  auto c2 = std::uint32_t(stream), c3 = std::uint32_t(stream >> 32);
  auto key0 = std::uint32_t(seed), key1 = std::uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t(0xd2511f53u) * c0, p1 = std::uint64_t(0xcd9e8d57u) * c2;
    c0 = std::uint32_t(p1 >> 32) ^ c1 ^ key0;
    c1 = std::uint32_t(p1);
    c2 = std::uint32_t(p0 >> 32) ^ c3 ^ key1;
    c3 = std::uint32_t(p0);
    key0 += 0x9e3779b9u;  // golden ratio
    key1 += 0xbb67ae85u;  // sqrt(3) - 1
  }
  return {c0, c1, c2, c3};
}

}  // namespace taper::cpu
