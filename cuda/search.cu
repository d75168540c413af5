// Places among boundaries and counts: searchsorted, bincount, histc.
#include <cmath>

#include "cuda/device.cuh"
#include "cuda/groups.cuh"
#include "cuda/host_copy.h"
#include "cuda/sort.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace kernels {

struct Search {
  const char* boundaries;
  bool shared, right;
  int64_t m;
  const int64_t* order;
  const char* values;
  DType dtype;
  int64_t total, n;
  int64_t* places;
  int* fault;
};

template <class W>
__global__ void __launch_bounds__(block_threads) searchsorted(const Search search) {
  const int64_t item = item_size(search.dtype);
  for (int64_t i = thread_number(); i < search.total; i += thread_count()) {
    const W value = load<W>(search.values + i * item, search.dtype);
    const int64_t row = search.shared ? 0 : i / search.n * search.m;
    // The CPU's steps, as the count among boundaries with NaN depends on them.
    int64_t passed = 0;
    for (int64_t left = search.m; left > 0;) {
      const int64_t half = (left + 1) / 2;
      int64_t at = passed + half - 1;
      if (search.order) {
        at = search.order[row + at];
        if (at < 0 || at >= search.m) {
          *search.fault = int(Fault::searchsorted);
          at = at < 0 ? 0 : search.m - 1;
        }
      }
      const W edge = load<W>(search.boundaries + (row + at) * item, search.dtype);
      // Written so that NaN, and what follows it, comes after all boundaries.
      passed += (search.right ? !(edge > value) : !(edge >= value)) ? half : 0;
      left = left == 1 ? 0 : left - half;
    }
    search.places[i] = passed;
  }
}

/// An integer as the CPU's kernel reads it: uint64 beyond int64 is negative.
__device__ __forceinline__ int64_t integer(const void* x, DType dtype, int64_t i) {
  const char* p = static_cast<const char*>(x) + i * item_size(dtype);
  return is_signed(dtype) ? load<int64_t>(p, dtype) : int64_t(load<uint64_t>(p, dtype));
}
__device__ __forceinline__ double real(const void* x, DType dtype, int64_t i) {
  const char* p = static_cast<const char*>(x) + i * item_size(dtype);
  if (is_floating_point(dtype)) return load<double>(p, dtype);
  return is_signed(dtype) ? double(load<int64_t>(p, dtype)) : double(load<uint64_t>(p, dtype));
}

/// found: the largest integer, and the position of the first negative one.
__global__ void __launch_bounds__(block_threads)
    integer_range(const void* x, DType dtype, int64_t n, long long* found) {
  long long largest = -1, negative = n;
  for (int64_t i = thread_number(); i < n; i += thread_count()) {
    const long long value = integer(x, dtype, i);
    if (value > largest) largest = value;
    if (value < 0 && i < negative) negative = i;
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    const long long other = __shfl_down_sync(0xffffffffu, largest, unsigned(distance));
    const long long before = __shfl_down_sync(0xffffffffu, negative, unsigned(distance));
    if (other > largest) largest = other;
    if (before < negative) negative = before;
  }
  if (threadIdx.x % 32 != 0) return;
  atomicMax(found, largest);
  atomicMin(found + 1, negative);
}

/// The bin of element i, or -1.
struct IntegerBin {
  const void* x;
  DType dtype;
  int64_t size;

  __device__ int64_t operator()(int64_t i) const {
    const int64_t value = integer(x, dtype, i);
    return value < size ? value : -1;
  }
};
struct EqualBin {
  const void* x;
  DType dtype;
  int64_t bins;
  double low, high, width;

  __device__ int64_t operator()(int64_t i) const {
    const double value = real(x, dtype, i);
    if (!(value >= low && value <= high)) return -1;
    const auto bin = int64_t((value - low) / width * double(bins));
    return bin < bins - 1 ? bin : bins - 1;
  }
};

/// Bins that fit are counted in shared memory first.
constexpr int shared_bins = 4096;

template <class Bin>
__global__ void __launch_bounds__(block_threads)
    count_bins(const Bin bin_of, int64_t n, int64_t bins, unsigned long long* counts) {
  __shared__ unsigned shared[shared_bins];
  const bool fits = bins <= shared_bins;
  for (int bin = int(threadIdx.x); fits && bin < bins; bin += block_threads) shared[bin] = 0;
  __syncthreads();
  for (int64_t i = thread_number(); i < n; i += thread_count()) {
    const int64_t bin = bin_of(i);
    if (bin < 0) continue;
    if (fits) atomicAdd(&shared[bin], 1u);
    else atomicAdd(&counts[bin], 1ull);
  }
  __syncthreads();
  for (int bin = int(threadIdx.x); fits && bin < bins; bin += block_threads)
    if (shared[bin]) atomicAdd(&counts[bin], static_cast<unsigned long long>(shared[bin]));
}

__global__ void __launch_bounds__(block_threads)
    sum_bins(const IntegerBin bin_of, int64_t n, const void* weights, DType weights_dtype, double* sums) {
  for (int64_t i = thread_number(); i < n; i += thread_count()) {
    const int64_t bin = bin_of(i);
    if (bin >= 0) atomicAdd(&sums[bin], real(weights, weights_dtype, i));
  }
}

__global__ void __launch_bounds__(block_threads)
    find_bins(const IntegerBin bin_of, int64_t n, int64_t* bins) {
  for (int64_t i = thread_number(); i < n; i += thread_count()) bins[i] = bin_of(i);
}

/// sum_bins, with the weights of a bin in their order.
__global__ void __launch_bounds__(block_threads)
    sum_bins_in_order(const Groups groups, const void* weights, DType weights_dtype, double* sums) {
  for (int64_t k = thread_number(); k < groups.n; k += thread_count()) {
    if (!groups.begins(k)) continue;
    double sum = 0;
    groups.each(k, [&](int64_t i) { sum += real(weights, weights_dtype, i); });
    sums[groups.target(k)] = sum;
  }
}

}  // namespace kernels

void searchsorted(const void* boundaries, bool shared, int64_t m, const int64_t* order, const void* values,
                  DType dtype, int64_t rows, int64_t n, bool right, int64_t* places) {
  check<DTypeError>(!is_complex(dtype), "searchsorted: ", dtype,
                    " has no order; sort by its absolute value or its real part");
  const kernels::Search search{static_cast<const char*>(boundaries),
                               shared,
                               right,
                               m,
                               order,
                               static_cast<const char*>(values),
                               dtype,
                               rows * n,
                               n,
                               places,
                               runtime().fault_word()};
  if (search.total == 0) return;
  const int blocks = blocks_for(search.total);
  const cudaStream_t stream = runtime().stream_in_use();
  if (dtype == float64) kernels::searchsorted<double><<<blocks, block_threads, 0, stream>>>(search);
  else if (is_floating_point(dtype))
    kernels::searchsorted<float><<<blocks, block_threads, 0, stream>>>(search);
  else if (is_signed(dtype)) kernels::searchsorted<int64_t><<<blocks, block_threads, 0, stream>>>(search);
  else kernels::searchsorted<uint64_t><<<blocks, block_threads, 0, stream>>>(search);
  check_launch("searchsorted");
}

namespace {

void check_integers(DType dtype) {
  check<DTypeError>(is_integral(dtype, true), "bincount: needs integers, got ", dtype);
}

template <class Bin>
void count(const Bin& bin_of, int64_t n, int64_t bins, int64_t* counts, const char* op) {
  const cudaStream_t stream = runtime().stream_in_use();
  check_cuda(cudaMemsetAsync(counts, 0, std::size_t(bins) * sizeof(int64_t), stream), op);
  if (n == 0) return;
  // Each block adds its counts at the end: not more blocks than are worth it.
  kernels::count_bins<<<blocks_for(n, 16 * block_threads), block_threads, 0, stream>>>(
      bin_of, n, bins, reinterpret_cast<unsigned long long*>(counts));
  check_launch(op);
}

}  // namespace

int64_t bincount_size(const void* x, DType dtype, int64_t n) {
  check_integers(dtype);
  if (n == 0) return 0;
  struct Range {
    long long largest, negative;
  };
  const Scratch memory(sizeof(Range));
  const cudaStream_t stream = runtime().stream_in_use();
  // -1 and the largest number.
  check_cuda(cudaMemsetAsync(memory.data(), 0xff, sizeof(long long), stream), "bincount");
  check_cuda(cudaMemsetAsync(memory.data<char>() + sizeof(long long), 0x7f, sizeof(long long), stream),
             "bincount");
  kernels::integer_range<<<blocks_for(n), block_threads, 0, stream>>>(x, dtype, n, memory.data<long long>());
  check_launch("bincount");
  const Range range = to_host(memory.data<const Range>(), "bincount");
  if (range.negative < n) {
    std::int64_t value = 0;
    const auto* at = static_cast<const char*>(x) + range.negative * item_size(dtype);
    switch (item_size(dtype)) {
      case 1: value = to_host(reinterpret_cast<const std::int8_t*>(at), "bincount"); break;
      case 2: value = to_host(reinterpret_cast<const std::int16_t*>(at), "bincount"); break;
      case 4: value = to_host(reinterpret_cast<const std::int32_t*>(at), "bincount"); break;
      default: value = to_host(reinterpret_cast<const std::int64_t*>(at), "bincount");
    }
    fail<ValueError>("bincount: value ", value, " at position ", range.negative,
                     " is negative; it counts integers from 0");
  }
  check<ValueError>(range.largest < INT64_MAX, "bincount: value ", range.largest, " is too large");
  return range.largest + 1;
}

void bincount(const void* x, DType dtype, int64_t n, int64_t size, int64_t* counts) {
  check_integers(dtype);
  if (size) count(kernels::IntegerBin{x, dtype, size}, n, size, counts, "bincount");
}

void weighted_bincount(const void* x, DType dtype, int64_t n, int64_t size, const void* weights,
                       DType weights_dtype, double* sums) {
  check_integers(dtype);
  check<DTypeError>(!is_complex(weights_dtype), "bincount: weights must be real, got ", weights_dtype);
  const cudaStream_t stream = runtime().stream_in_use();
  if (size == 0) return;
  check_cuda(cudaMemsetAsync(sums, 0, std::size_t(size) * sizeof(double), stream), "bincount");
  if (n == 0) return;
  if (backends().deterministic_algorithms) {
    const Scratch memory(n * int64_t(sizeof(int64_t)));
    auto* bins = memory.data<int64_t>();
    kernels::find_bins<<<blocks_for(n), block_threads, 0, stream>>>({x, dtype, size}, n, bins);
    return group_by_target(bins, n, "bincount", [&](const Groups& groups) {
      kernels::sum_bins_in_order<<<blocks_for(n), block_threads, 0, stream>>>(groups, weights, weights_dtype,
                                                                              sums);
      check_launch("bincount");
    });
  }
  kernels::sum_bins<<<blocks_for(n), block_threads, 0, stream>>>({x, dtype, size}, n, weights, weights_dtype,
                                                                 sums);
  check_launch("bincount");
}

void histc(const void* x, DType dtype, int64_t n, int64_t bins, double low, double high, int64_t* counts) {
  check<DTypeError>(!is_complex(dtype), "histc: ", dtype, " has no order");
  check<ValueError>(bins > 0, "histc: got ", bins, " bins, expected at least 1");
  check<ValueError>(low < high && std::isfinite(high - low), "histc: got the range ", low, " to ", high,
                    ", expected finite low < high");
  count(kernels::EqualBin{x, dtype, bins, low, high, high - low}, n, bins, counts, "histc");
}

}  // namespace taper::cuda
