// Random fills: pieces of the stream are drawn and turned into numbers, in parallel.
#include "cpu/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/visit.h"
#include "cpu/load.h"
#include "cpu/parallel.h"
#include "cpu/random_kernels.h"
#include "taper/error.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;
using std::uint32_t;
using std::uint64_t;
constexpr int64 pieces_at_once = 16;

/// Calls make(words, first, n) for pieces of n <= per_piece elements that start at element `first`.
template <class F>
void for_each_piece(PhiloxState state, int64 n, int64 per_piece, const F& make) {
  const RandomKernels& kernels = random_kernels();
  const int64 pieces = n / per_piece + (n % per_piece != 0);
  parallel_for(pieces, pieces_at_once, [&](int64 begin, int64 end) {
    alignas(64) uint32_t words[piece_words];
    for (int64 piece = begin; piece < end; ++piece) {
      kernels.words(state.seed, state.offset + uint64_t(piece) * (piece_words / 4), words);
      make(words, piece * per_piece, std::min(per_piece, n - piece * per_piece));
    }
  });
}

/// Fills y with floats or doubles: straight into y where a whole piece of that very type fits, else by way of
/// a buffer.
template <class T, class F>
void fill(PhiloxState state, void* y, DType dtype, int64 n, const F& make) {
  constexpr int64 per_piece = piece_words * 4 / int64(sizeof(T));
  const bool same = dtype == (sizeof(T) == 4 ? float32 : float64);
  const Store store = find_store(sizeof(T) == 4 ? Wide::f32 : Wide::f64, dtype);
  for_each_piece(state, n, per_piece, [&](const uint32_t* words, int64 first, int64 count) {
    if (same && count == per_piece) return make(words, static_cast<T*>(y) + first);
    alignas(64) T buffer[per_piece];
    make(words, buffer);
    store(buffer, count, static_cast<char*>(y) + first * item_size(dtype), 1);
  });
}

/// Parts of complex numbers are drawn as reals.
void split_complex(DType& dtype, int64& n) {
  if (!is_complex(dtype)) return;
  dtype = real_dtype(dtype);
  n *= 2;
}

void check_floating(const char* op, DType dtype, bool complex_too) {
  check<DTypeError>(is_floating_point(dtype) || (complex_too && is_complex(dtype)), op, ": needs a floating",
                    complex_too ? " or complex" : "", " type, got ", dtype);
}

/// The largest number of dtype below high, or low if that is nothing: low + u (high - low) may round up to
/// high.
double last_below(DType dtype, double low, double high) {
  double last = low;
  visit(dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      last = double(std::nextafter(T(high), T(low)));
    } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      T below(static_cast<float>(high));
      if (float(below) == 0) below.bits = 0x8001;
      else if (double(below) >= high) below.bits = std::uint16_t(below.bits + (high > 0 ? -1 : 1));
      last = double(below);
    }
  });
  return std::max(low, last);
}

double largest(DType dtype) {
  return dtype == float64    ? std::numeric_limits<double>::max()
         : dtype == float16  ? 65504.
         : dtype == bfloat16 ? 0x1.fep127
                             : double(std::numeric_limits<float>::max());
}

}  // namespace

void random_bits(PhiloxState state, uint32_t* y, int64 n) {
  for_each_piece(state, n, piece_words, [&](const uint32_t* words, int64 first, int64 count) {
    std::memcpy(y + first, words, std::size_t(count) * sizeof(uint32_t));
  });
}

void uniform(PhiloxState state, void* y, DType dtype, int64 n, double low, double high) {
  check_floating("uniform", dtype, true);
  split_complex(dtype, n);
  const double most = largest(dtype);
  check<ValueError>(low <= high && high - low <= most && low >= -most && high <= most, "uniform: got low ",
                    low, " and high ", high, ", expected low <= high with a difference that ", dtype,
                    " can hold");
  const int bits = dtype == float64 ? 53 : dtype == float16 ? 11 : dtype == bfloat16 ? 8 : 24;
  const UniformRange range{low, high - low, last_below(dtype, low, high), bits};
  const RandomKernels& kernels = random_kernels();
  if (dtype == float64) {
    return fill<double>(state, y, dtype, n,
                        [&](const uint32_t* words, double* to) { kernels.uniform_double(words, range, to); });
  }
  fill<float>(state, y, dtype, n,
              [&](const uint32_t* words, float* to) { kernels.uniform_float(words, range, to); });
}

void normal(PhiloxState state, void* y, DType dtype, int64 n, double mean, double deviation) {
  check_floating("normal", dtype, true);
  check<ValueError>(deviation >= 0, "normal: got deviation ", deviation, ", expected at least 0");
  if (is_complex(dtype)) {
    check<ValueError>(mean == 0, "normal: a complex output needs mean 0, got ", mean);
    deviation *= std::sqrt(0.5);
  }
  split_complex(dtype, n);
  const RandomKernels& kernels = random_kernels();
  if (dtype == float64) {
    return fill<double>(state, y, dtype, n, [&](const uint32_t* words, double* to) {
      kernels.normal_double(words, mean, deviation, to);
    });
  }
  fill<float>(state, y, dtype, n,
              [&](const uint32_t* words, float* to) { kernels.normal_float(words, mean, deviation, to); });
}

void exponential(PhiloxState state, void* y, DType dtype, int64 n, double rate) {
  check_floating("exponential", dtype, false);
  check<ValueError>(rate > 0, "exponential: got rate ", rate, ", expected more than 0");
  const RandomKernels& kernels = random_kernels();
  if (dtype == float64) {
    return fill<double>(state, y, dtype, n, [&](const uint32_t* words, double* to) {
      kernels.exponential_double(words, rate, to);
    });
  }
  fill<float>(state, y, dtype, n,
              [&](const uint32_t* words, float* to) { kernels.exponential_float(words, rate, to); });
}

void bernoulli(PhiloxState state, void* y, DType dtype, int64 n, double p) {
  check<ValueError>(p >= 0 && p <= 1, "bernoulli: got probability ", p, ", expected one in [0, 1]");
  const auto limit = uint64_t(std::llround(p * 0x1p32));
  if (limit == 0) return void(std::memset(y, 0, std::size_t(n * item_size(dtype))));
  const auto last = uint32_t(limit - 1);
  visit(dtype, [&]<class T>() {
    const T yes(1), no(0);
    for_each_piece(state, n, piece_words, [&](const uint32_t* words, int64 first, int64 count) {
      T* to = static_cast<T*>(y) + first;
      for (int64 i = 0; i < count; ++i) to[i] = words[i] <= last ? yes : no;
    });
  });
}

void bernoulli(PhiloxState state, void* y, DType dtype, int64 n, const void* p, DType p_dtype) {
  check_floating("bernoulli", p_dtype, false);
  const Load load = find_load(p_dtype, Wide::f64);
  for_each_piece(state, n, piece_words, [&](const uint32_t* words, int64 first, int64 count) {
    double chance[piece_words];
    load(static_cast<const char*>(p) + first * item_size(p_dtype), 1, count, chance);
    for (int64 i = 0; i < count; ++i) {
      check<ValueError>(chance[i] >= 0 && chance[i] <= 1, "bernoulli: probability ", chance[i],
                        " at position ", first + i, " is not in [0, 1]");
    }
    visit(dtype, [&]<class T>() {
      T* to = static_cast<T*>(y) + first;
      for (int64 i = 0; i < count; ++i) to[i] = T(words[i] < uint64_t(chance[i] * 0x1p32 + 0.5) ? 1 : 0);
    });
  });
}

namespace {

template <class T>
void check_holds(DType dtype, int64 low, uint64_t count) {
  if constexpr (std::is_integral_v<T>) {
    constexpr uint64_t most = std::numeric_limits<T>::max();
    const uint64_t above = count - 1;  // of the last number over low
    const bool low_fits = low >= 0 ? uint64_t(low) <= most : low >= int64(std::numeric_limits<T>::lowest());
    const bool fits =
        low >= 0 ? above <= most - uint64_t(low) : above <= most + (uint64_t(0) - uint64_t(low));
    check<ValueError>((low_fits && fits) || (sizeof(T) == 8 && count == 0), "randint: ", dtype,
                      " does not hold all numbers from ", low, " to ", int64(uint64_t(low) + above));
  }
}

}  // namespace

void randint(PhiloxState state, void* y, DType dtype, int64 n, int64 low, uint64_t count) {
  check<DTypeError>(!is_complex(dtype), "randint: needs a real type, got ", dtype);
  using Wide128 = unsigned __int128;
  visit(dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>) {
      return;
    } else {
      check_holds<T>(dtype, low, count);
      const auto convert = [low](uint64_t above) {
        const auto value = int64(uint64_t(low) + above);
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return T(float(value));
        else return T(value);
      };
      T* to = static_cast<T*>(y);
      // The upper part of (random / 2^64 or 2^128) * count: Lemire (2019), arXiv:1805.10941, without the
      // rejection.
      if (count && count <= 0xffffffffu) {
        for_each_piece(state, n, piece_words / 2, [&](const uint32_t* words, int64 first, int64 many) {
          for (int64 i = 0; i < many; ++i) {
            const uint64_t bits = words[2 * i] | uint64_t(words[2 * i + 1]) << 32;
            to[first + i] = convert(uint64_t(Wide128(bits) * count >> 64));
          }
        });
      } else {
        for_each_piece(state, n, piece_words / 4, [&](const uint32_t* words, int64 first, int64 many) {
          for (int64 i = 0; i < many; ++i) {
            const uint64_t high = words[4 * i] | uint64_t(words[4 * i + 1]) << 32;
            const uint64_t low_bits = words[4 * i + 2] | uint64_t(words[4 * i + 3]) << 32;
            const uint64_t carry = uint64_t(Wide128(low_bits) * count >> 64);
            to[first + i] = convert(count ? uint64_t((Wide128(high) * count + carry) >> 64) : high);
          }
        });
      }
    }
  });
}

void randperm(PhiloxState state, int64* y, int64 n) {
  check<ValueError>(n >= 0, "randperm: got ", n, ", expected at least 0");
  const RandomKernels& kernels = random_kernels();
  for (int64 i = 0; i < n; ++i) y[i] = i;
  uint32_t words[piece_words];
  for (int64 i = 0; i < n; ++i) {
    const int64 k = i % (piece_words / 2);
    if (k == 0) kernels.words(state.seed, state.offset + uint64_t(i / 2), words);
    const uint64_t bits = words[2 * k] | uint64_t(words[2 * k + 1]) << 32;
    std::swap(y[i], y[i + int64(static_cast<unsigned __int128>(bits) * uint64_t(n - i) >> 64)]);
  }
}

}  // namespace taper::cpu
