// The inner loops of random numbers, compiled for each instruction set; all give the same bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/random_kernels.cc"
#include <hwy/foreach_target.h>
// foreach_target.h must come first.
#include <hwy/highway.h>

#include <cmath>

#include "cpu/exact_math.h"
#include "cpu/philox.h"
#include "cpu/random_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace taper::cpu::HWY_NAMESPACE {
namespace {

using int64 = std::int64_t;
using std::uint32_t;
using std::uint64_t;
namespace hn = hwy::HWY_NAMESPACE;

/// The round keys, the same for all blocks.
struct Keys {
  uint32_t round[10][2];
  explicit Keys(uint64_t seed) {
    for (uint32_t i = 0; i < 10; ++i) {
      round[i][0] = uint32_t(seed) + i * 0x9e3779b9u;
      round[i][1] = uint32_t(seed >> 32) + i * 0xbb67ae85u;
    }
  }
};

#if HWY_TARGET == HWY_SCALAR
void words(uint64_t seed, uint64_t first, uint32_t* y) {
  for (int64 block = 0; block < piece_words / 4; ++block) {
    const auto four = philox(seed, first + uint64_t(block));
    for (int64 k = 0; k < 4; ++k) y[4 * block + k] = four[std::size_t(k)];
  }
}
#else
/// The upper and lower halves of x times a number.
template <class D, class V>
HWY_INLINE void multiply(D d, V x, uint32_t factor, V& high, V& low) {
  const hn::RepartitionToWide<D> wide;
  const auto factors = hn::Set(d, factor);
  const auto even = hn::MulEven(x, factors),
             odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))), factors);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}

/// Philox as in philox.h, for a block in each lane.
void words(uint64_t seed, uint64_t first, uint32_t* y) {
  const hn::ScalableTag<uint32_t> d;
  using V = hn::Vec<decltype(d)>;
  constexpr auto lanes = int64(hn::MaxLanes(d));
  static_assert(piece_words % (4 * lanes) == 0);
  const Keys keys(seed);
  for (int64 block = 0; block < piece_words / 4; block += lanes) {
    const uint64_t counter = first + uint64_t(block);
    const V start = hn::Set(d, uint32_t(counter));
    V w0 = hn::Add(start, hn::Iota(d, 0)), w2 = hn::Zero(d), w3 = w2;
    V w1 = hn::Sub(hn::Set(d, uint32_t(counter >> 32)), hn::VecFromMask(d, hn::Lt(w0, start)));  // the carry
    HWY_UNROLL(10)
    for (int i = 0; i < 10; ++i) {
      V high0, low0, high1, low1;
      multiply(d, w0, 0xd2511f53u, high0, low0);
      multiply(d, w2, 0xcd9e8d57u, high1, low1);
      w0 = hn::Xor(hn::Xor(high1, w1), hn::Set(d, keys.round[i][0]));
      w1 = low1;
      w2 = hn::Xor(hn::Xor(high0, w3), hn::Set(d, keys.round[i][1]));
      w3 = low0;
    }
    hn::StoreInterleaved4(w0, w1, w2, w3, d, y + 4 * block);
  }
}
#endif

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
