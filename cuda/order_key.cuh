// Elements as unsigned numbers in the same order: as cpu/order_key.h, so that one kernel orders every dtype.
#pragma once

#include "cuda/device.cuh"

namespace taper::cuda {

/// Keys of dense elements increase with them, or decrease if descending, in the lowest `bits` bits. NaN, of
/// either sign, is above all else (descending: below); -0 and 0 are equal.
struct OrderKeys {
  const char* x;
  int item, bits;
  bool floating, is_signed, descending;
  uint64_t sign, mask, infinity;

  /// Throws DTypeError for complex numbers.
  OrderKeys(const char* op, const void* elements, DType dtype, bool descends)
      : x(static_cast<const char*>(elements)),
        item(int(item_size(dtype))),
        bits(8 * item),
        floating(is_floating_point(dtype)),
        is_signed(taper::is_signed(dtype)),
        descending(descends),
        sign(uint64_t(1) << (bits - 1)),
        mask(sign | (sign - 1)),
        infinity(dtype == float64    ? 0x7ff0000000000000
                 : dtype == float32  ? 0x7f800000
                 : dtype == bfloat16 ? 0x7f80
                                     : 0x7c00) {
    check<DTypeError>(!is_complex(dtype), op, ": ", dtype,
                      " has no order; sort by its absolute value or its real part");
  }

  __device__ uint64_t bits_of(int64_t i) const {
    switch (item) {
      case 1: return reinterpret_cast<const std::uint8_t*>(x)[i];
      case 2: return reinterpret_cast<const std::uint16_t*>(x)[i];
      case 4: return reinterpret_cast<const std::uint32_t*>(x)[i];
      default: return reinterpret_cast<const std::uint64_t*>(x)[i];
    }
  }
  __device__ uint64_t operator()(int64_t i) const {
    uint64_t key = bits_of(i);
    if (floating) {
      const uint64_t magnitude = key & (sign - 1);
      if (magnitude > infinity) key = mask;
      else if (magnitude == 0) key = sign;
      else key = key & sign ? ~key & mask : key | sign;
    } else if (is_signed) {
      key ^= sign;
    }
    return descending ? ~key & mask : key;
  }
  /// Whether a key, not descending, is that of NaN.
  __device__ bool is_nan(uint64_t key) const { return floating && key == mask; }

  __device__ void copy_element(int64_t from, void* target, int64_t to) const {
    switch (item) {
      case 1: static_cast<std::uint8_t*>(target)[to] = std::uint8_t(bits_of(from)); break;
      case 2: static_cast<std::uint16_t*>(target)[to] = std::uint16_t(bits_of(from)); break;
      case 4: static_cast<std::uint32_t*>(target)[to] = std::uint32_t(bits_of(from)); break;
      default: static_cast<std::uint64_t*>(target)[to] = bits_of(from);
    }
  }
};

/// Where a kernel of order writes: `k` elements of each row and their places in it; either may be null.
struct Ordered {
  void* values;
  int64_t* indices;
  int64_t k;

  __device__ void put(const OrderKeys& keys, int64_t row, int64_t n, int64_t rank, int64_t place) const {
    if (values) keys.copy_element(row * n + place, values, row * k + rank);
    if (indices) indices[row * k + rank] = place;
  }
};

/// Rows of up to this many elements are sorted in the shared memory of a block.
inline constexpr int block_slots = 1024;

namespace kernels {

/// Bitonic sort of runs of `size` slots, a power of two, by key and then by place. All threads of the block
/// must call it.
__device__ __forceinline__ void sort_shared(uint64_t* keys, unsigned* places, int size, int slots) {
  for (int run = 2; run <= size; run *= 2) {
    for (int step = run / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int pair = int(threadIdx.x); pair < slots / 2; pair += block_threads) {
        const int a = 2 * pair - (pair & (step - 1)), b = a + step;
        const bool ascending = (a & (size - 1) & run) == 0;
        const uint64_t key_a = keys[a], key_b = keys[b];
        const unsigned place_a = places[a], place_b = places[b];
        if ((key_a > key_b || (key_a == key_b && place_a > place_b)) != ascending) continue;
        keys[a] = key_b, keys[b] = key_a;
        places[a] = place_b, places[b] = place_a;
      }
    }
  }
  __syncthreads();
}

}  // namespace kernels

/// The least power of two that is not less than n.
inline int power_of_two(int64_t n) {
  int power = 1;
  while (power < n) power *= 2;
  return power;
}

}  // namespace taper::cuda
