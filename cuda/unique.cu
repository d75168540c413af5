// What differs: unique rows or numbers, of all or among neighbours. Each row that differs from the one before
// is flagged; the running sum of the flags numbers the groups.
#include <cub/device/device_merge_sort.cuh>

#include "cuda/host_copy.h"
#include "cuda/order_key.cuh"
#include "cuda/scan.h"
#include "cuda/sort.h"

namespace taper::cuda {

namespace kernels {

/// Rows by their numbers in lexicographic order, equal ones in their own.
struct RowLess {
  OrderKeys keys;
  int64_t n;

  __device__ bool operator()(int64_t a, int64_t b) const {
    for (int64_t k = 0; k < n; ++k) {
      const uint64_t key_a = keys(a * n + k), key_b = keys(b * n + k);
      if (key_a != key_b) return key_a < key_b;
    }
    return a < b;
  }
};

__global__ void __launch_bounds__(block_threads) count_up(int64_t* numbers, int64_t count) {
  for (int64_t i = thread_number(); i < count; i += thread_count()) numbers[i] = i;
}

__device__ __forceinline__ bool equal(const char* x, DType dtype, int64_t a, int64_t b) {
  const int64_t item = item_size(dtype);
  const char *p = x + a * item, *q = x + b * item;
  if (is_complex(dtype)) return load<Complex>(p, dtype) == load<Complex>(q, dtype);
  if (is_floating_point(dtype)) return load<double>(p, dtype) == load<double>(q, dtype);
  if (is_signed(dtype)) return load<int64_t>(p, dtype) == load<int64_t>(q, dtype);
  return load<uint64_t>(p, dtype) == load<uint64_t>(q, dtype);
}

/// differs[i]: whether the i-th row, which is row order[i], or i if order is null, is unlike the one before
/// it. `lanes` threads, 1 or 32, compare a pair of rows.
__global__ void __launch_bounds__(block_threads)
    flag_differing(const char* x, DType dtype, int64_t rows, int64_t n, const int64_t* order, int lanes,
                   std::uint8_t* differs) {
  const int lane = int(threadIdx.x) % lanes;
  for (int64_t i = thread_number() / lanes; i < rows; i += thread_count() / lanes) {
    bool differ = i == 0;
    if (i) {
      const int64_t a = order ? order[i - 1] : i - 1, b = order ? order[i] : i;
      for (int64_t k = lane; k < n && !differ; k += lanes) differ = !equal(x, dtype, a * n + k, b * n + k);
    }
    if (lanes > 1) differ = __any_sync(0xffffffffu, differ);
    if (lane == 0) differs[i] = differ;
  }
}

/// groups: how many groups begin up to and with the i-th row. start: which row in order is a group's first.
__global__ void __launch_bounds__(block_threads)
    write_groups(int64_t rows, const int64_t* order, const int64_t* groups, int64_t* start, int64_t* first,
                 int64_t* inverse) {
  for (int64_t i = thread_number(); i < rows; i += thread_count()) {
    const int64_t group = groups[i] - 1, row = order ? order[i] : i;
    if (inverse) inverse[row] = group;
    if (i && groups[i - 1] == groups[i]) continue;
    first[group] = row;
    start[group] = i;
  }
}

__global__ void __launch_bounds__(block_threads)
    write_counts(int64_t rows, const int64_t* groups, const int64_t* start, int64_t* counts) {
  const int64_t total = groups[rows - 1];
  for (int64_t group = thread_number(); group < total; group += thread_count())
    counts[group] = (group + 1 < total ? start[group + 1] : rows) - start[group];
}

}  // namespace kernels

namespace {

int64_t group(const void* x, DType dtype, int64_t rows, int64_t n, const int64_t* order, int64_t* first,
              int64_t* inverse, int64_t* counts, const char* op) {
  if (rows == 0) return 0;
  const cudaStream_t stream = runtime().stream_in_use();
  const Scratch differs(rows), numbers(2 * rows * int64_t(sizeof(int64_t)));
  auto *groups = numbers.data<int64_t>(), *start = groups + rows;
  const int lanes = n > 4 ? 32 : 1;
  kernels::flag_differing<<<blocks_for(rows, block_threads / lanes), block_threads, 0, stream>>>(
      static_cast<const char*>(x), dtype, rows, n, order, lanes, differs.data<std::uint8_t>());
  check_launch(op);
  cumsum(differs.data(), uint8, 1, rows, 1, groups, int64);
  kernels::write_groups<<<blocks_for(rows), block_threads, 0, stream>>>(rows, order, groups, start, first,
                                                                        inverse);
  check_launch(op);
  if (counts) {
    kernels::write_counts<<<blocks_for(rows), block_threads, 0, stream>>>(rows, groups, start, counts);
    check_launch(op);
  }
  return to_host(groups + rows - 1, op);
}

void sort_row_numbers(const OrderKeys& keys, int64_t rows, int64_t n, int64_t* order) {
  kernels::count_up<<<blocks_for(rows), block_threads, 0, runtime().stream_in_use()>>>(order, rows);
  check_launch("unique");
  std::size_t bytes = 0;
  const auto run = [&](void* memory) {
    check_cuda(cub::DeviceMergeSort::SortKeys(memory, bytes, order, rows, kernels::RowLess{keys, n},
                                              runtime().stream_in_use()),
               "unique");
  };
  run(nullptr);
  const Scratch memory(std::max<int64_t>(1, int64_t(bytes)));
  run(memory.data());
}

}  // namespace

int64_t unique(const void* x, DType dtype, int64_t rows, int64_t n, int64_t* first, int64_t* inverse,
               int64_t* counts) {
  const OrderKeys keys("unique", x, dtype, false);
  if (rows == 0) return 0;
  const Scratch order(rows * int64_t(sizeof(int64_t)));
  if (n == 1) sort(x, dtype, 1, rows, false, nullptr, order.data<int64_t>());
  else sort_row_numbers(keys, rows, n, order.data<int64_t>());
  return group(x, dtype, rows, n, order.data<int64_t>(), first, inverse, counts, "unique");
}

int64_t unique_consecutive(const void* x, DType dtype, int64_t rows, int64_t n, int64_t* first,
                           int64_t* inverse, int64_t* counts) {
  return group(x, dtype, rows, n, nullptr, first, inverse, counts, "unique_consecutive");
}

}  // namespace taper::cuda
