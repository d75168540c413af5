// Sorting of rows: short ones in the shared memory of a block, long ones by CUB's radix sort, with the number
// of the row above the key.
#include "cuda/sort.h"

#include <cub/device/device_radix_sort.cuh>

#include "cuda/sort_rows.cuh"

namespace taper::cuda {

namespace kernels {

/// A block for each block_slots / size rows of up to `size` elements, a power of two.
__global__ void __launch_bounds__(block_threads)
    sort_short_rows(const OrderKeys keys, int64_t rows, int64_t n, int size, const Ordered to) {
  __shared__ uint64_t row_keys[block_slots];
  __shared__ unsigned places[block_slots];
  const int64_t first = int64_t(blockIdx.x) * (block_slots / size);
  for (int slot = int(threadIdx.x); slot < block_slots; slot += block_threads) {
    const int64_t row = first + slot / size, place = slot % size;
    row_keys[slot] = row < rows && place < n ? keys(row * n + place) : ~uint64_t(0);
    places[slot] = unsigned(place);
  }
  sort_shared(row_keys, places, size, block_slots);
  for (int slot = int(threadIdx.x); slot < block_slots; slot += block_threads) {
    const int64_t row = first + slot / size, rank = slot % size;
    if (row < rows && rank < to.k) to.put(keys, row, n, rank, places[slot]);
  }
}

/// Keys from element `first` on, with the numbers of their rows above them if several, and their positions.
template <class Key>
__global__ void __launch_bounds__(block_threads)
    make_keys(const OrderKeys keys, int64_t first, int64_t total, int64_t n, bool with_rows, Key* sorted,
              std::uint32_t* positions) {
  for (int64_t i = thread_number(); i < total; i += thread_count()) {
    const uint64_t row = with_rows ? uint64_t(i / n) << keys.bits : 0;
    sorted[i] = Key(row | keys(first + i));
    positions[i] = std::uint32_t(i);
  }
}

__global__ void __launch_bounds__(block_threads)
    rows_of(const std::uint32_t* positions, int64_t total, int64_t n, std::uint32_t* rows) {
  for (int64_t i = thread_number(); i < total; i += thread_count()) rows[i] = std::uint32_t(positions[i] / n);
}

/// The first to.k of rows in the order that sort_long_rows gives.
__global__ void __launch_bounds__(block_threads)
    put_rows(const OrderKeys keys, int64_t first, int64_t rows, int64_t n, const std::uint32_t* order,
             const Ordered to) {
  for (int64_t i = thread_number(); i < rows * to.k; i += thread_count()) {
    const int64_t row = i / to.k, rank = i - row * to.k;
    to.put(keys, first + row, n, rank, order[row * n + rank] - row * n);
  }
}

}  // namespace kernels

namespace {

int bits_for(int64_t values) {
  int bits = 0;
  while (values - 1 >> bits) ++bits;
  return bits;
}

/// Keys or positions, and where they go when they are sorted.
template <class T>
struct Pair {
  Scratch memory;
  cub::DoubleBuffer<T> buffer;

  explicit Pair(int64_t count)
      : memory(2 * count * int64_t(sizeof(T))), buffer(memory.data<T>(), memory.data<T>() + count) {}
};

template <class Key>
void sort_pairs(cub::DoubleBuffer<Key>& keys, cub::DoubleBuffer<std::uint32_t>& positions, int64_t count,
                int bits, const char* op) {
  std::size_t bytes = 0;
  const auto run = [&](void* memory) {
    check_cuda(cub::DeviceRadixSort::SortPairs(memory, bytes, keys, positions, std::uint32_t(count), 0, bits,
                                               runtime().stream_in_use()),
               op);
  };
  run(nullptr);
  const Scratch memory(std::max<int64_t>(1, int64_t(bytes)));
  run(memory.data());
}

template <class Key>
void sort_group(const OrderKeys& keys, int64_t first, int64_t rows, int64_t n, int row_bits,
                cub::DoubleBuffer<std::uint32_t>& positions, const char* op) {
  const int64_t total = rows * n;
  Pair<Key> sorted(total);
  kernels::make_keys<<<blocks_for(total), block_threads, 0, runtime().stream_in_use()>>>(
      keys, first * n, total, n, row_bits != 0, sorted.buffer.Current(), positions.Current());
  check_launch(op);
  sort_pairs(sorted.buffer, positions, total, keys.bits + row_bits, op);
}

/// Positions sorted by key, sorted by row once more.
void sort_by_row(int64_t rows, int64_t n, cub::DoubleBuffer<std::uint32_t>& positions, const char* op) {
  const int64_t total = rows * n;
  Pair<std::uint32_t> numbers(total);
  kernels::rows_of<<<blocks_for(total), block_threads, 0, runtime().stream_in_use()>>>(
      positions.Current(), total, n, numbers.buffer.Current());
  check_launch(op);
  sort_pairs(numbers.buffer, positions, total, bits_for(rows), op);
}

}  // namespace

void sort_long_rows(const OrderKeys& keys, int64_t rows, int64_t n, const char* op,
                    const std::function<void(int64_t, int64_t, const std::uint32_t*)>& then) {
  check<ValueError>(n <= UINT32_MAX, op, ": rows of ", n, " elements are too long, at most ", UINT32_MAX,
                    " can be ordered on CUDA");
  constexpr int64_t most = int64_t(1) << 27;  // elements at a time, for the sake of memory
  const int64_t together = std::min(rows, std::max<int64_t>(1, most / n));
  Pair<std::uint32_t> positions(together * n);
  for (int64_t first = 0; first < rows; first += together) {
    const int64_t count = std::min(together, rows - first);
    const int row_bits = bits_for(count);
    auto& order = positions.buffer;
    if (keys.bits == 64) {
      sort_group<uint64_t>(keys, first, count, n, 0, order, op);
      if (count > 1) sort_by_row(count, n, order, op);
    } else if (keys.bits + row_bits > 32) {
      sort_group<uint64_t>(keys, first, count, n, row_bits, order, op);
    } else {
      sort_group<std::uint32_t>(keys, first, count, n, row_bits, order, op);
    }
    then(first, count, order.Current());
  }
}

bool better_sorted(int64_t rows, int64_t n) {
  return n > (int64_t(1) << 17) && rows * 16 < runtime().multi_processors(runtime().device_in_use());
}

void put_first(const OrderKeys& keys, int64_t rows, int64_t n, const Ordered& to, const char* op) {
  const cudaStream_t stream = runtime().stream_in_use();
  if (rows == 0 || to.k == 0) return;
  if (n <= block_slots) {
    const int size = power_of_two(n), per_block = block_slots / size;
    kernels::sort_short_rows<<<unsigned((rows + per_block - 1) / per_block), block_threads, 0, stream>>>(
        keys, rows, n, size, to);
    return check_launch(op);
  }
  sort_long_rows(keys, rows, n, op, [&](int64_t first, int64_t count, const std::uint32_t* order) {
    kernels::put_rows<<<blocks_for(count * to.k), block_threads, 0, stream>>>(keys, first, count, n, order,
                                                                              to);
    check_launch(op);
  });
}

void sort(const void* x, DType dtype, int64_t rows, int64_t n, bool descending, void* values,
          int64_t* indices) {
  put_first(OrderKeys("sort", x, dtype, descending), rows, n, {values, indices, n}, "sort");
}

}  // namespace taper::cuda
