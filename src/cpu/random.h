// Random numbers. Every number is a function of (seed, offset, its position) alone: the same on every
// instruction set and for any number of threads.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// A stream of Philox 4x32-10 and how many of its blocks of four 32-bit words were drawn.
struct PhiloxState {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
};

/// By how much a fill of n elements advances the offset: no fill takes more than a block for an element.
constexpr std::uint64_t philox_blocks(std::int64_t n) { return std::uint64_t(n); }

// All write n dense elements at y.

/// 32-bit words: word i is word i % 4 of block offset + i / 4.
void random_bits(PhiloxState state, std::uint32_t* y, std::int64_t n);

/// Uniform on [low, high), as low + u (high - low) where u has as many bits as the type has (24 in float32).
/// Floating or complex types; both parts of a complex number. DTypeError otherwise, ValueError unless low <=
/// high and high - low is finite.
void uniform(PhiloxState state, void* y, DType dtype, std::int64_t n, double low = 0, double high = 1);

/// Normal, by Box & Muller (1958). Of a complex number each part has deviation / sqrt(2). |z| < 6.67 in
/// float32 and the 16-bit types, < 8.58 in float64. ValueError unless deviation >= 0.
void normal(PhiloxState state, void* y, DType dtype, std::int64_t n, double mean = 0, double deviation = 1);

/// Exponential of this rate, never 0: -log(u) / rate. Real floating types. ValueError unless rate > 0.
void exponential(PhiloxState state, void* y, DType dtype, std::int64_t n, double rate = 1);

/// 1 with probability p (rounded to a multiple of 2^-32), else 0. Any type. ValueError unless 0 <= p <= 1.
void bernoulli(PhiloxState state, void* y, DType dtype, std::int64_t n, double p);
/// The same with a dense array of probabilities of a floating type; the error names the position.
void bernoulli(PhiloxState state, void* y, DType dtype, std::int64_t n, const void* p, DType p_dtype);

/// Integers in [low, low + count), in integral and floating types; count 0 stands for 2^64. The bias is below
/// 2^-32 of a probability. ValueError if an integral type does not hold them.
void randint(PhiloxState state, void* y, DType dtype, std::int64_t n, std::int64_t low, std::uint64_t count);

/// A permutation of 0 .. n-1, by Fisher & Yates.
void randperm(PhiloxState state, std::int64_t* y, std::int64_t n);

}  // namespace taper::cpu
