// Elements by their rank: topk, kthvalue, median. Short rows are sorted in the shared memory of a block; in
// long ones a block finds the key of the rank digit by digit, counting.
#include <cub/block/block_scan.cuh>

#include "cuda/block.cuh"
#include "cuda/sort.h"
#include "cuda/sort_rows.cuh"

namespace taper::cuda {

namespace kernels {

/// Which rank is wanted, counted from 0 among all; or the median of those that are not NaN.
struct Rank {
  enum class Of : std::uint8_t { all, median, median_without_nan } of;
  int64_t rank;

  /// Of a row of n elements, `numbers` of which are not NaN.
  __device__ int64_t in(int64_t n, int64_t numbers) const {
    if (of == Of::all) return rank;
    if (numbers < n && (of == Of::median || numbers == 0)) return numbers;  // the first NaN
    return (numbers - 1) / 2;
  }
};

/// As sort_short_rows, but only the element of one rank is written.
__global__ void __launch_bounds__(block_threads)
    pick_from_short_rows(const OrderKeys keys, int64_t rows, int64_t n, int size, const Rank rank,
                         const Ordered to) {
  __shared__ uint64_t row_keys[block_slots];
  __shared__ unsigned places[block_slots];
  const int64_t first = int64_t(blockIdx.x) * (block_slots / size);
  for (int slot = int(threadIdx.x); slot < block_slots; slot += block_threads) {
    const int64_t row = first + slot / size, place = slot % size;
    row_keys[slot] = row < rows && place < n ? keys(row * n + place) : ~uint64_t(0);
    places[slot] = unsigned(place);
  }
  sort_shared(row_keys, places, size, block_slots);
  for (int at = int(threadIdx.x); at < block_slots / size && first + at < rows; at += block_threads) {
    int numbers = 0;
    for (int left = int(n); left > 0;) {
      const int half = left / 2;
      const bool number = !keys.is_nan(row_keys[at * size + numbers + half]);
      numbers += number ? half + 1 : 0;
      left = number ? left - half - 1 : half;
    }
    to.put(keys, first + at, n, 0, places[at * size + int(rank.in(n, numbers))]);
  }
}

/// The same from rows in the order that sort_long_rows gives.
__global__ void __launch_bounds__(block_threads)
    pick_from_sorted_rows(const OrderKeys keys, int64_t first, int64_t rows, int64_t n,
                          const std::uint32_t* order, const Rank rank, const Ordered to) {
  for (int64_t row = thread_number(); row < rows; row += thread_count()) {
    int64_t numbers = 0;
    for (int64_t left = n; left > 0;) {
      const int64_t half = left / 2;
      const bool number = !keys.is_nan(keys(first * n + order[row * n + numbers + half]));
      numbers += number ? half + 1 : 0;
      left = number ? left - half - 1 : half;
    }
    to.put(keys, first + row, n, 0, order[row * n + rank.in(n, numbers)] - row * n);
  }
}

using DigitScan = cub::BlockScan<unsigned, block_threads>;
static_assert(block_threads == 256, "a thread for each digit");

struct SelectMemory {
  DigitScan::TempStorage scan;
  unsigned counts[block_threads], digit, below, alike;
};

/// The digit of the element of `rank` among those for which digit_of(i) is not -1. Afterwards rank counts
/// among those that have this digit, which are `alike`.
template <class Digit>
__device__ unsigned select_digit(int64_t n, SelectMemory& memory, unsigned& rank, unsigned& alike,
                                 const Digit& digit_of) {
  memory.counts[threadIdx.x] = 0;
  __syncthreads();
  for (int64_t i = threadIdx.x; i < n; i += block_threads) {
    const int digit = digit_of(i);
    if (digit >= 0) atomicAdd(&memory.counts[digit], 1u);
  }
  __syncthreads();
  const unsigned mine = memory.counts[threadIdx.x];
  unsigned below;
  DigitScan(memory.scan).ExclusiveSum(mine, below);
  if (below <= rank && rank < below + mine) {
    memory.digit = threadIdx.x;
    memory.below = below;
    memory.alike = mine;
  }
  __syncthreads();
  rank -= memory.below;
  alike = memory.alike;
  return memory.digit;
}

struct Selected {
  uint64_t key;
  unsigned place;
};

/// The element of the rank in the order of key and place. If `only_bound`, the place is any that is not
/// before that of an equal key of lower rank, nor behind one of higher rank.
__device__ Selected select(const OrderKeys& keys, int64_t first, int64_t n, int64_t rank_in_row,
                           SelectMemory& memory, bool only_bound) {
  unsigned rank = unsigned(rank_in_row), alike = 0, place = 0;
  uint64_t key = 0, known = 0;
  for (int shift = keys.bits - 8; shift >= 0; shift -= 8) {
    const unsigned digit = select_digit(n, memory, rank, alike, [&](int64_t i) {
      const uint64_t other = keys(first + i);
      return (other & known) == key ? int(other >> shift & 255) : -1;
    });
    key |= uint64_t(digit) << shift;
    known |= uint64_t(255) << shift;
  }
  if (only_bound && rank + 1 == alike) return {key, ~0u};
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (shift && (n - 1) >> shift == 0) continue;
    const unsigned digit = select_digit(n, memory, rank, alike, [&](int64_t i) {
      const bool candidate = shift == 24 || unsigned(i) >> (shift + 8) == place >> (shift + 8);
      return candidate && keys(first + i) == key ? int(unsigned(i) >> shift & 255) : -1;
    });
    place |= digit << shift;
  }
  return {key, place};
}

/// A block for each row.
__global__ void __launch_bounds__(block_threads)
    pick_from_rows(const OrderKeys keys, int64_t n, const Rank rank, const Ordered to) {
  __shared__ SelectMemory memory;
  __shared__ int64_t shared[block_threads];
  const int64_t row = blockIdx.x, first = row * n;
  int64_t numbers = n;
  if (rank.of != Rank::Of::all && keys.floating) {
    numbers = 0;
    for (int64_t i = threadIdx.x; i < n; i += block_threads) numbers += !keys.is_nan(keys(first + i));
    numbers = combine_block(numbers, shared, 1, Plus());
  }
  const Selected selected = select(keys, first, n, rank.in(n, numbers), memory, false);
  if (threadIdx.x == 0) to.put(keys, row, n, 0, selected.place);
}

/// A block for each row; the to.k first by key, of which there are at most block_slots, are gathered in any
/// order and sorted. size is a power of two, not less than to.k.
__global__ void __launch_bounds__(block_threads)
    top_of_rows(const OrderKeys keys, int64_t n, int size, const Ordered to) {
  __shared__ SelectMemory memory;
  __shared__ uint64_t chosen[block_slots];
  __shared__ unsigned places[block_slots];
  __shared__ unsigned filled;
  const int64_t row = blockIdx.x, first = row * n;
  for (int slot = int(threadIdx.x); slot < size; slot += block_threads)
    chosen[slot] = ~uint64_t(0), places[slot] = ~0u;
  if (threadIdx.x == 0) filled = 0;
  const Selected last = select(keys, first, n, to.k - 1, memory, true);
  for (int64_t i = threadIdx.x; i < n; i += block_threads) {
    const uint64_t key = keys(first + i);
    if (key > last.key || (key == last.key && unsigned(i) > last.place)) continue;
    const unsigned slot = atomicAdd(&filled, 1u);
    chosen[slot] = key;
    places[slot] = unsigned(i);
  }
  sort_shared(chosen, places, size, size);
  for (int rank = int(threadIdx.x); rank < to.k; rank += block_threads)
    to.put(keys, row, n, rank, places[rank]);
}

}  // namespace kernels

namespace {

using kernels::Rank;

void pick(const OrderKeys& keys, int64_t rows, int64_t n, const Rank& rank, const Ordered& to,
          const char* op) {
  const cudaStream_t stream = runtime().stream_in_use();
  if (rows == 0) return;
  if (n <= block_slots) {
    const int size = power_of_two(n), per_block = block_slots / size;
    kernels::pick_from_short_rows<<<unsigned((rows + per_block - 1) / per_block), block_threads, 0, stream>>>(
        keys, rows, n, size, rank, to);
    check_launch(op);
  } else if (better_sorted(rows, n) || n > UINT32_MAX) {
    sort_long_rows(keys, rows, n, op, [&](int64_t first, int64_t count, const std::uint32_t* order) {
      kernels::pick_from_sorted_rows<<<blocks_for(count), block_threads, 0, stream>>>(keys, first, count, n,
                                                                                      order, rank, to);
      check_launch(op);
    });
  } else {
    kernels::pick_from_rows<<<unsigned(rows), block_threads, 0, stream>>>(keys, n, rank, to);
    check_launch(op);
  }
}

}  // namespace

void topk(const void* x, DType dtype, int64_t rows, int64_t n, int64_t k, bool largest, void* values,
          int64_t* indices) {
  check<ValueError>(k >= 0 && k <= n, "topk: got k = ", k, " for rows of ", n,
                    " elements, expected 0 <= k <= ", n);
  const OrderKeys keys("topk", x, dtype, largest);
  const Ordered to{values, indices, k};
  if (n <= block_slots || k > block_slots || better_sorted(rows, n) || n > UINT32_MAX)
    return put_first(keys, rows, n, to, "topk");
  if (rows == 0 || k == 0) return;
  kernels::top_of_rows<<<unsigned(rows), block_threads, 0, runtime().stream_in_use()>>>(keys, n,
                                                                                        power_of_two(k), to);
  check_launch("topk");
}

void kthvalue(const void* x, DType dtype, int64_t rows, int64_t n, int64_t k, void* values,
              int64_t* indices) {
  check<ValueError>(k >= 1 && k <= n, "kthvalue: got k = ", k, " for rows of ", n,
                    " elements, expected 1 <= k <= ", n);
  pick(OrderKeys("kthvalue", x, dtype, false), rows, n, {Rank::Of::all, k - 1}, {values, indices, 1},
       "kthvalue");
}

void median(const void* x, DType dtype, int64_t rows, int64_t n, bool ignore_nan, void* values,
            int64_t* indices) {
  check<ValueError>(n > 0 || rows == 0, "median: rows have no elements; it needs at least one");
  pick(OrderKeys("median", x, dtype, false), rows, n,
       {ignore_nan ? Rank::Of::median_without_nan : Rank::Of::median, 0}, {values, indices, 1}, "median");
}

}  // namespace taper::cuda
