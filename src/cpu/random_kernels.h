// The inner loops of random numbers, chosen for the instruction set.
#pragma once

#include <cstdint>

#include "cpu/random.h"

namespace taper::cpu {

/// Words are drawn in pieces of this many: few enough to stay in the nearest cache, a multiple of a vector of
/// blocks.
inline constexpr std::int64_t piece_words = 1024;

/// low + u * range, not above last; u has `bits` bits (53 in float64).
struct UniformRange {
  double low, range, last;
  int bits;
};

struct RandomKernels {
  /// Words [0, piece_words) of the stream from block `first`.
  void (*words)(std::uint64_t seed, std::uint64_t first, std::uint32_t* y);
  // Each makes numbers of piece_words words: float takes one word a number, double two.
  void (*uniform_float)(const std::uint32_t* words, const UniformRange& range, float* y);
  void (*uniform_double)(const std::uint32_t* words, const UniformRange& range, double* y);
  void (*normal_float)(const std::uint32_t* words, double mean, double deviation, float* y);
  void (*normal_double)(const std::uint32_t* words, double mean, double deviation, double* y);
  void (*exponential_float)(const std::uint32_t* words, double rate, float* y);
  void (*exponential_double)(const std::uint32_t* words, double rate, double* y);
};

const RandomKernels& random_kernels();

}  // namespace taper::cpu
