// The inner loops of random numbers, compiled for each instruction set; all give the same bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/random_kernels.cc"
#include <hwy/foreach_target.h>
// foreach_target.h must come first.
#include <hwy/highway.h>

#include <cmath>

#include "cpu/exact_math.h"
#include "cpu/random_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu::HWY_NAMESPACE {
namespace {

using int64 = std::int64_t;
using std::uint32_t;
using std::uint64_t;
constexpr int64 side_by_side = 32;

/// Philox as in philox.h, for `side_by_side` blocks at once. Round keys are the same for all.
void words(uint64_t seed, uint64_t first, uint32_t* __restrict y) {
  uint32_t keys[10][2];
  for (uint32_t round = 0; round < 10; ++round) {
    keys[round][0] = uint32_t(seed) + round * 0x9e3779b9u;
    keys[round][1] = uint32_t(seed >> 32) + round * 0xbb67ae85u;
  }
  for (int64 block = 0; block < piece_words / 4; block += side_by_side) {
    uint32_t word[4][side_by_side];
    for (int64 l = 0; l < side_by_side; ++l) {
      const uint64_t counter = first + uint64_t(block + l);
      word[0][l] = uint32_t(counter), word[1][l] = uint32_t(counter >> 32), word[2][l] = 0, word[3][l] = 0;
    }
    for (const auto& key : keys) {
      const uint32_t key0 = key[0], key1 = key[1];
      for (int64 l = 0; l < side_by_side; ++l) {
        const uint64_t p0 = uint64_t(0xd2511f53u) * word[0][l], p1 = uint64_t(0xcd9e8d57u) * word[2][l];
        word[0][l] = uint32_t(p1 >> 32) ^ word[1][l] ^ key0;
        word[1][l] = uint32_t(p1);
        word[2][l] = uint32_t(p0 >> 32) ^ word[3][l] ^ key1;
        word[3][l] = uint32_t(p0);
      }
    }
    for (int64 l = 0; l < side_by_side; ++l) {
      for (int64 k = 0; k < 4; ++k) y[4 * (block + l) + k] = word[k][l];
    }
  }
}

void uniform_float(const uint32_t* words, const UniformRange& of, float* __restrict y) {
  const float low = float(of.low), range = float(of.range), last = float(of.last);
  const int shift = 32 - of.bits;
  const float scale = float(1. / double(1 << of.bits));
  for (int64 i = 0; i < piece_words; ++i) {
    const float x = low + float(std::int32_t(words[i] >> shift)) * scale * range;
    y[i] = x > last ? last : x;
  }
}

inline uint64_t wide(const uint32_t* words, int64 i) {
  return words[2 * i] | uint64_t(words[2 * i + 1]) << 32;
}

/// The upper 53 bits as a number in [0, 1).
inline double unit(uint64_t x) {
  return double(std::int32_t(x >> 38)) * 0x1p-26 + double(std::int32_t((x >> 11) & 0x7ffffffu)) * 0x1p-53;
}

void uniform_double(const uint32_t* words, const UniformRange& of, double* __restrict y) {
  const double low = of.low, range = of.range, last = of.last;
  for (int64 i = 0; i < piece_words / 2; ++i) {
    const double x = low + unit(wide(words, i)) * range;
    y[i] = x > last ? last : x;
  }
}

/// A number in (0, 1] whose small values are as fine as 2^-32.
inline float unit_above_zero(uint32_t x) {
  const float high = float(std::int32_t(x >> 16)) * 65536.f, low = float(std::int32_t(x & 0xffffu) + 1);
  return (high + low) * 0x1p-32f;
}

/// Box & Muller (1958), "A note on the generation of random normal deviates": radius and angle are
/// independent.
void normal_float(const uint32_t* words, double a, double b, float* __restrict y) {
  const float mean = float(a), deviation = float(b);
  for (int64 i = 0; i < piece_words / 2; ++i) {
    const float radius = std::sqrt(-2.f * log_positive(unit_above_zero(words[2 * i])));
    const auto [cos, sin] = cos_sin_of_turn(words[2 * i + 1]);
    y[2 * i] = radius * cos * deviation + mean;
    y[2 * i + 1] = radius * sin * deviation + mean;
  }
}

void normal_double(const uint32_t* words, double a, double b, double* __restrict y) {
  for (int64 i = 0; i < piece_words / 4; ++i) {
    const double radius = std::sqrt(-2. * log_positive(unit(wide(words, 2 * i)) + 0x1p-53));
    const auto [cos, sin] = cos_sin_of_turn(wide(words, 2 * i + 1));
    y[2 * i] = radius * cos * b + a;
    y[2 * i + 1] = radius * sin * b + a;
  }
}

// u next to 1 would give 0, which an exponential variable never is.
void exponential_float(const uint32_t* words, double rate, float* __restrict y) {
  for (int64 i = 0; i < piece_words; ++i) {
    const float x = -log_positive(unit_above_zero(words[i]));
    y[i] = (x < 0x1p-25f ? 0x1p-25f : x) / float(rate);
  }
}

void exponential_double(const uint32_t* words, double rate, double* __restrict y) {
  for (int64 i = 0; i < piece_words / 2; ++i) {
    const double x = -log_positive(unit(wide(words, i)) + 0x1p-53);
    y[i] = (x < 0x1p-54 ? 0x1p-54 : x) / rate;
  }
}

const RandomKernels& kernels_here() {
  static constexpr RandomKernels kernels{words,         uniform_float,     uniform_double,    normal_float,
                                         normal_double, exponential_float, exponential_double};
  return kernels;
}

}  // namespace
}  // namespace taper::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taper::cpu {

HWY_EXPORT(kernels_here);

const RandomKernels& random_kernels() { return HWY_DYNAMIC_DISPATCH(kernels_here)(); }

}  // namespace taper::cpu
#endif
