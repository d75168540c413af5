// Random fills. Every number is the same function of (seed, offset, position) as in src/cpu/random.cc, whose
// formulas these are; this file is compiled without contraction, so the bits agree, too.
#include <cmath>

#include "base/visit.h"
#include "cpu/exact_math.h"
#include "cpu/philox.h"
#include "cuda/device.cuh"
#include "cuda/graph.h"
#include "cuda/random.h"

namespace taper::cuda {

namespace kernels {

using std::uint32_t;

/// low + u * range, not above last; u has `bits` bits.
struct Uniform {
  double low, range, last;
  int bits;
  __device__ void operator()(const uint32_t* words, float* y) const {
    const float scale = float(1. / double(1 << bits));
    for (int i = 0; i < 4; ++i) {
      const float x = float(low) + float(std::int32_t(words[i] >> (32 - bits))) * scale * float(range);
      y[i] = x > float(last) ? float(last) : x;
    }
  }
  __device__ void operator()(const uint32_t* words, double* y) const;
};

__device__ __forceinline__ uint64_t wide(const uint32_t* words, int i) {
  return words[2 * i] | uint64_t(words[2 * i + 1]) << 32;
}
/// The upper 53 bits as a number in [0, 1).
__device__ __forceinline__ double unit(uint64_t x) {
  return double(std::int32_t(x >> 38)) * 0x1p-26 + double(std::int32_t((x >> 11) & 0x7ffffffu)) * 0x1p-53;
}
/// A number in (0, 1] whose small values are as fine as 2^-32.
__device__ __forceinline__ float unit_above_zero(uint32_t x) {
  const float high = float(std::int32_t(x >> 16)) * 65536.f, low = float(std::int32_t(x & 0xffffu) + 1);
  return (high + low) * 0x1p-32f;
}

__device__ __forceinline__ void Uniform::operator()(const uint32_t* words, double* y) const {
  for (int i = 0; i < 2; ++i) {
    const double x = low + unit(wide(words, i)) * range;
    y[i] = x > last ? last : x;
  }
}

/// Box & Muller (1958).
struct Normal {
  double mean, deviation;
  __device__ void operator()(const uint32_t* words, float* y) const {
    for (int i = 0; i < 2; ++i) {
      const float radius = sqrtf(-2.f * cpu::log_positive(unit_above_zero(words[2 * i])));
      const auto turned = cpu::cos_sin_of_turn(words[2 * i + 1]);
      y[2 * i] = radius * turned.cos * float(deviation) + float(mean);
      y[2 * i + 1] = radius * turned.sin * float(deviation) + float(mean);
    }
  }
  __device__ void operator()(const uint32_t* words, double* y) const {
    const double radius = sqrt(-2. * cpu::log_positive(unit(wide(words, 0)) + 0x1p-53));
    const auto turned = cpu::cos_sin_of_turn(wide(words, 1));
    y[0] = radius * turned.cos * deviation + mean;
    y[1] = radius * turned.sin * deviation + mean;
  }
};

struct Exponential {
  double rate;
  __device__ void operator()(const uint32_t* words, float* y) const {
    for (int i = 0; i < 4; ++i) {
      const float x = -cpu::log_positive(unit_above_zero(words[i]));
      y[i] = (x < 0x1p-25f ? 0x1p-25f : x) / float(rate);
    }
  }
  __device__ void operator()(const uint32_t* words, double* y) const {
    for (int i = 0; i < 2; ++i) {
      const double x = -cpu::log_positive(unit(wide(words, i)) + 0x1p-53);
      y[i] = (x < 0x1p-54 ? 0x1p-54 : x) / rate;
    }
  }
};

/// The state to draw from: what was recorded goes on from run to run of the graph.
__device__ __forceinline__ cpu::PhiloxState moved(cpu::PhiloxState state, const uint64_t* shift) {
  if (shift) state.seed += shift[0], state.offset += shift[1];
  return state;
}

/// A thread makes the numbers of one block of Philox: four of float, two of double.
template <class T, class Make>
__global__ void __launch_bounds__(block_threads)
    fill_real(const Make make, const cpu::PhiloxState recorded, const uint64_t* shift, char* y, DType dtype,
              int64_t n) {
  const auto state = moved(recorded, shift);
  constexpr int numbers = 16 / sizeof(T);
  const int64_t blocks = (n + numbers - 1) / numbers, item = item_size(dtype);
  for (int64_t block = thread_number(); block < blocks; block += thread_count()) {
    const auto drawn = cpu::philox(state.seed, state.offset + uint64_t(block));
    const uint32_t words[4] = {drawn[0], drawn[1], drawn[2], drawn[3]};
    T values[numbers];
    make(words, values);
    for (int i = 0; i < numbers && block * numbers + i < n; ++i)
      store(y + (block * numbers + i) * item, dtype, values[i]);
  }
}

/// 0 or 1 as any dtype.
__device__ __forceinline__ void store_truth(char* p, DType dtype, bool yes) {
  if (is_complex(dtype)) store(p, dtype, Complex(yes ? 1. : 0., 0.));
  else if (is_floating_point(dtype)) store(p, dtype, yes ? 1. : 0.);
  else store(p, dtype, uint64_t(yes));
}

__global__ void __launch_bounds__(block_threads)
    bernoulli(const cpu::PhiloxState recorded, const uint64_t* shift, char* y, DType dtype, int64_t n,
              uint64_t limit) {
  const auto state = moved(recorded, shift);
  for (int64_t i = thread_number(); i < n; i += thread_count()) {
    const auto words = cpu::philox(state.seed, state.offset + uint64_t(i / 4));
    store_truth(y + i * item_size(dtype), dtype, words[std::size_t(i % 4)] < limit);
  }
}

__global__ void __launch_bounds__(block_threads)
    bernoulli_of_each(const cpu::PhiloxState recorded, const uint64_t* shift, char* y, DType dtype, int64_t n,
                      const char* p, DType p_dtype) {
  const auto state = moved(recorded, shift);
  for (int64_t i = thread_number(); i < n; i += thread_count()) {
    const auto words = cpu::philox(state.seed, state.offset + uint64_t(i / 4));
    const double chance = load<double>(p + i * item_size(p_dtype), p_dtype);
    store_truth(y + i * item_size(dtype), dtype, words[std::size_t(i % 4)] < uint64_t(chance * 0x1p32 + 0.5));
  }
}

/// The upper part of (random / 2^64 or 2^128) * count: Lemire (2019), arXiv:1805.10941, without the
/// rejection.
__global__ void __launch_bounds__(block_threads)
    randint(const cpu::PhiloxState recorded, const uint64_t* shift, char* y, DType dtype, int64_t n,
            int64_t low, uint64_t count) {
  const auto state = moved(recorded, shift);
  const bool small = count && count <= 0xffffffffu;
  for (int64_t i = thread_number(); i < n; i += thread_count()) {
    const auto words = cpu::philox(state.seed, state.offset + uint64_t(small ? i / 2 : i));
    const std::size_t at = small ? std::size_t(i % 2) * 2 : 0;
    const uint64_t high = words[at] | uint64_t(words[at + 1]) << 32;
    uint64_t above = high;
    if (small) {
      above = __umul64hi(high, count);
    } else if (count) {
      const uint64_t carry = __umul64hi(words[2] | uint64_t(words[3]) << 32, count), product = high * count;
      above = __umul64hi(high, count) + (product + carry < product);
    }
    const auto value = int64_t(uint64_t(low) + above);
    char* to = y + i * item_size(dtype);
    if (dtype == float64) store(to, dtype, double(value));
    else if (is_floating_point(dtype)) store(to, dtype, float(value));
    else store(to, dtype, value);
  }
}

}  // namespace kernels

namespace {

void check_floating(const char* op, DType dtype, bool complex_too) {
  check<DTypeError>(is_floating_point(dtype) || (complex_too && is_complex(dtype)), op, ": needs a floating",
                    complex_too ? " or complex" : "", " type, got ", dtype);
}

void split_complex(DType& dtype, int64_t& n) {
  if (!is_complex(dtype)) return;
  dtype = real_dtype(dtype);
  n *= 2;
}

/// The largest number of dtype below high, or low if that is nothing.
double last_below(DType dtype, double low, double high) {
  double last = low;
  if (dtype == float64) last = std::nextafter(high, low);
  else if (dtype == float32) last = double(std::nextafter(float(high), float(low)));
  else
    visit_differentiable(dtype, [&]<class T>() {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        T below(static_cast<float>(high));
        if (float(below) == 0) below.bits = 0x8001;
        else if (double(below) >= high) below.bits = std::uint16_t(below.bits + (high > 0 ? -1 : 1));
        last = double(float(below));
      }
    });
  return std::max(low, last);
}

template <class Make>
void fill(const Make& make, cpu::PhiloxState state, void* y, DType dtype, int64_t n, const char* op) {
  if (n == 0) return;
  const cudaStream_t stream = runtime().stream_in_use();
  const int blocks = blocks_for((n + 1) / 2);
  const uint64_t* shift = shift_of_run();
  auto* to = static_cast<char*>(y);
  if (dtype == float64)
    kernels::fill_real<double><<<blocks, block_threads, 0, stream>>>(make, state, shift, to, dtype, n);
  else kernels::fill_real<float><<<blocks, block_threads, 0, stream>>>(make, state, shift, to, dtype, n);
  check_launch(op);
}

double largest(DType dtype) {
  return dtype == float64    ? 0x1.fffffffffffffp1023
         : dtype == float16  ? 65504.
         : dtype == bfloat16 ? 0x1.fep127
                             : 0x1.fffffep127;
}

}  // namespace

void uniform(cpu::PhiloxState state, void* y, DType dtype, int64_t n, double low, double high) {
  check_floating("uniform", dtype, true);
  split_complex(dtype, n);
  const double most = largest(dtype);
  check<ValueError>(low <= high && high - low <= most && low >= -most && high <= most, "uniform: got low ",
                    low, " and high ", high, ", expected low <= high with a difference that ", dtype,
                    " can hold");
  const int bits = dtype == float64 ? 53 : dtype == float16 ? 11 : dtype == bfloat16 ? 8 : 24;
  fill(kernels::Uniform{low, high - low, last_below(dtype, low, high), bits}, state, y, dtype, n, "uniform_");
}

void normal(cpu::PhiloxState state, void* y, DType dtype, int64_t n, double mean, double deviation) {
  check_floating("normal", dtype, true);
  check<ValueError>(deviation >= 0, "normal: got deviation ", deviation, ", expected at least 0");
  if (is_complex(dtype)) {
    check<ValueError>(mean == 0, "normal: a complex output needs mean 0, got ", mean);
    deviation *= std::sqrt(0.5);
  }
  split_complex(dtype, n);
  fill(kernels::Normal{mean, deviation}, state, y, dtype, n, "normal_");
}

void exponential(cpu::PhiloxState state, void* y, DType dtype, int64_t n, double rate) {
  check_floating("exponential", dtype, false);
  check<ValueError>(rate > 0, "exponential: got rate ", rate, ", expected more than 0");
  fill(kernels::Exponential{rate}, state, y, dtype, n, "exponential_");
}

void bernoulli(cpu::PhiloxState state, void* y, DType dtype, int64_t n, double p) {
  check<ValueError>(p >= 0 && p <= 1, "bernoulli: got probability ", p, ", expected one in [0, 1]");
  if (n == 0) return;
  kernels::bernoulli<<<blocks_for(n), block_threads, 0, runtime().stream_in_use()>>>(
      state, shift_of_run(), static_cast<char*>(y), dtype, n, uint64_t(std::llround(p * 0x1p32)));
  check_launch("bernoulli_");
}

// Probabilities outside of [0, 1] count as the nearer of the two: a kernel cannot throw.
void bernoulli(cpu::PhiloxState state, void* y, DType dtype, int64_t n, const void* p, DType p_dtype) {
  check_floating("bernoulli", p_dtype, false);
  if (n == 0) return;
  kernels::bernoulli_of_each<<<blocks_for(n), block_threads, 0, runtime().stream_in_use()>>>(
      state, shift_of_run(), static_cast<char*>(y), dtype, n, static_cast<const char*>(p), p_dtype);
  check_launch("bernoulli");
}

void randint(cpu::PhiloxState state, void* y, DType dtype, int64_t n, int64_t low, uint64_t count) {
  check<DTypeError>(!is_complex(dtype), "randint: needs a real type, got ", dtype);
  if (n == 0) return;
  kernels::randint<<<blocks_for(n), block_threads, 0, runtime().stream_in_use()>>>(
      state, shift_of_run(), static_cast<char*>(y), dtype, n, low, count);
  check_launch("random_");
}

}  // namespace taper::cuda
