// Bags of rows of a table: a thread for each element of each bag, neighbours along the rows. Gradients are
// added in float32 or float64, atomically or in the order of the positions, and rounded once.
#include "cuda/embedding.h"

#include "cuda/block.cuh"
#include "cuda/element.cuh"
#include "cuda/groups.cuh"
#include "taper/backends.h"

namespace taper::cuda {

namespace kernels {

/// Without offsets each position is a bag.
struct BagsAt {
  cpu::Bags bags;
  int* fault;

  /// The positions of a bag; none if its offsets are not as they must be.
  __device__ void range(int64_t bag, int64_t& begin, int64_t& end) const {
    begin = bags.offsets ? bags.offsets[bag] : bag;
    end = bags.offsets ? bags.offsets[bag + 1] : bag + 1;
    if (begin >= 0 && begin <= end && end <= bags.embedding.count && (bag > 0 || begin == 0) &&
        (bag + 1 < bags.bags || end == bags.embedding.count))
      return;
    atomicExch(fault, int(Fault::embedding));
    begin = end = 0;
  }
  /// The row of a position, or -1 if it takes no part.
  __device__ int64_t row(int64_t position) const {
    const int64_t row = bags.indices[position];
    if (row == bags.embedding.padding_index) return -1;
    if (row >= 0 && row < bags.embedding.rows) return row;
    atomicExch(fault, int(Fault::embedding));
    return -1;
  }
  __device__ int64_t rows_in(int64_t begin, int64_t end) const {
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) count += bags.indices[i] != bags.embedding.padding_index;
    return count;
  }
  /// The last bag that begins at a position or before.
  __device__ int64_t bag_of(int64_t position) const {
    if (!bags.offsets) return position;
    int64_t low = 0, high = bags.bags;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      if (bags.offsets[middle] <= position) low = middle;
      else high = middle;
    }
    return low;
  }
  template <class T>
  __device__ T factor(int64_t position) const {
    return bags.sample_weights ? element<T>(bags.sample_weights, bags.embedding.dtype, position) : T(1);
  }
};

template <class T>
__global__ void __launch_bounds__(block_threads)
    sum_bags(const __grid_constant__ BagsAt at, const void* weight, void* y) {
  const int64_t size = at.bags.embedding.size;
  const DType dtype = at.bags.embedding.dtype;
  for (int64_t i = thread_number(); i < at.bags.bags * size; i += thread_count()) {
    int64_t begin, end;
    at.range(i / size, begin, end);
    T sum = 0;
    for (int64_t position = begin; position < end; ++position)
      if (const int64_t row = at.row(position); row >= 0)
        sum += at.factor<T>(position) * element<T>(weight, dtype, row * size + i % size);
    if (at.bags.mode == cpu::BagMode::mean)
      if (const int64_t count = at.rows_in(begin, end); count > 0) sum /= T(count);
    put(y, dtype, i, sum);
  }
}

/// The first of the largest, the last NaN.
template <class T>
__global__ void __launch_bounds__(block_threads)
    max_bags(const __grid_constant__ BagsAt at, const void* weight, void* y, int64_t* maxima) {
  const int64_t size = at.bags.embedding.size;
  const DType dtype = at.bags.embedding.dtype;
  for (int64_t i = thread_number(); i < at.bags.bags * size; i += thread_count()) {
    int64_t begin, end, chosen = -1;
    at.range(i / size, begin, end);
    T largest = 0;
    for (int64_t position = begin; position < end; ++position) {
      const int64_t row = at.row(position);
      if (row < 0) continue;
      const T value = element<T>(weight, dtype, row * size + i % size);
      if (chosen < 0 || value > largest || value != value) largest = value, chosen = row;
    }
    put(y, dtype, i, largest);
    maxima[i] = chosen;
  }
}

/// sums [rows, size] += the gradients of sums or means.
template <class T>
__global__ void __launch_bounds__(block_threads)
    add_to_rows(const __grid_constant__ BagsAt at, const void* dy, T* sums) {
  const int64_t size = at.bags.embedding.size;
  for (int64_t i = thread_number(); i < at.bags.bags * size; i += thread_count()) {
    int64_t begin, end;
    at.range(i / size, begin, end);
    T gradient = element<T>(dy, at.bags.embedding.dtype, i);
    if (at.bags.mode == cpu::BagMode::mean)
      if (const int64_t count = at.rows_in(begin, end); count > 0) gradient /= T(count);
    for (int64_t position = begin; position < end; ++position)
      if (const int64_t row = at.row(position); row >= 0)
        atomicAdd(sums + row * size + i % size, at.factor<T>(position) * gradient);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    add_to_maxima(const __grid_constant__ BagsAt at, const void* dy, const int64_t* maxima, T* sums) {
  const int64_t size = at.bags.embedding.size;
  for (int64_t i = thread_number(); i < at.bags.bags * size; i += thread_count()) {
    const int64_t row = maxima[i];
    if (row < 0) continue;
    if (row >= at.bags.embedding.rows) atomicExch(at.fault, int(Fault::embedding));
    else atomicAdd(sums + row * size + i % size, element<T>(dy, at.bags.embedding.dtype, i));
  }
}

/// The rows that positions look up, or -1.
__global__ void __launch_bounds__(block_threads) find_rows(const __grid_constant__ BagsAt at, int64_t* rows) {
  for (int64_t i = thread_number(); i < at.bags.embedding.count; i += thread_count()) {
    int64_t begin, end;
    at.range(at.bag_of(i), begin, end);
    rows[i] = i >= begin && i < end ? at.row(i) : -1;
  }
}

/// add_to_rows, with the gradients of a row in the order of their positions, by which these are grouped.
template <class T>
__global__ void __launch_bounds__(block_threads)
    add_to_rows_in_order(const __grid_constant__ BagsAt at, const Groups groups, const void* dy, T* sums) {
  const int64_t size = at.bags.embedding.size;
  for (int64_t i = thread_number(); i < groups.n * size; i += thread_count()) {
    const int64_t k = i / size, column = i - k * size;
    if (!groups.begins(k)) continue;
    T sum = 0;
    groups.each(k, [&](int64_t position) {
      const int64_t bag = at.bag_of(position);
      T gradient = element<T>(dy, at.bags.embedding.dtype, bag * size + column);
      if (at.bags.mode == cpu::BagMode::mean) {
        int64_t begin, end;
        at.range(bag, begin, end);
        if (const int64_t count = at.rows_in(begin, end); count > 0) gradient /= T(count);
      }
      sum += at.factor<T>(position) * gradient;
    });
    sums[groups.target(k) * size + column] = sum;
  }
}

/// The places in sums [rows, size] of the maxima, or -1.
__global__ void __launch_bounds__(block_threads)
    find_maxima(const __grid_constant__ BagsAt at, const int64_t* maxima, int64_t* places) {
  const int64_t size = at.bags.embedding.size;
  for (int64_t i = thread_number(); i < at.bags.bags * size; i += thread_count()) {
    const int64_t row = maxima[i];
    if (row >= at.bags.embedding.rows) atomicExch(at.fault, int(Fault::embedding));
    places[i] = row < 0 || row >= at.bags.embedding.rows ? -1 : row * size + i % size;
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    add_to_maxima_in_order(const Groups groups, DType dtype, const void* dy, T* sums) {
  for (int64_t k = thread_number(); k < groups.n; k += thread_count()) {
    if (!groups.begins(k)) continue;
    T sum = 0;
    groups.each(k, [&](int64_t i) { sum += element<T>(dy, dtype, i); });
    sums[groups.target(k)] = sum;
  }
}

/// counts [rows] += how often each is looked up.
__global__ void __launch_bounds__(block_threads)
    count_rows(const __grid_constant__ BagsAt at, unsigned long long* counts) {
  for (int64_t i = thread_number(); i < at.bags.embedding.count; i += thread_count())
    if (const int64_t row = at.row(i); row >= 0) atomicAdd(counts + row, 1ull);
}

/// dw = sums, divided by counts unless those are null. dw may be sums.
template <class T>
__global__ void __launch_bounds__(block_threads)
    finish_rows(const cpu::Embedding e, const T* sums, const unsigned long long* counts, void* dw) {
  for (int64_t i = thread_number(); i < e.rows * e.size; i += thread_count()) {
    const T count = counts ? T(counts[i / e.size]) : T(1);
    put(dw, e.dtype, i, count > 1 ? sums[i] / count : sums[i]);
  }
}

/// A warp for each position.
template <class T>
__global__ void __launch_bounds__(block_threads)
    multiply_rows(const __grid_constant__ BagsAt at, const void* weight, const void* dy, void* products) {
  const cpu::Embedding& e = at.bags.embedding;
  const int lane = threadIdx.x % 32;
  for (int64_t position = thread_number() / 32; position < e.count; position += thread_count() / 32) {
    const int64_t bag = at.bag_of(position);
    int64_t begin, end;
    at.range(bag, begin, end);
    const int64_t row = position >= begin && position < end ? at.row(position) : -1;
    T sum = 0;
    for (int64_t k = lane; k < e.size && row >= 0; k += 32)
      sum += element<T>(weight, e.dtype, row * e.size + k) * element<T>(dy, e.dtype, bag * e.size + k);
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == 0) put(products, e.dtype, position, sum);
  }
}

}  // namespace kernels

namespace {

kernels::BagsAt bags_at(const cpu::Bags& bags, const char* op) {
  check<DTypeError>(is_floating_point(bags.embedding.dtype), op, ": got ", bags.embedding.dtype,
                    ", expected a floating type");
  check<ValueError>(!bags.sample_weights || bags.mode == cpu::BagMode::sum, op,
                    ": per-sample weights need mode 'sum'");
  return {bags, runtime().fault_word()};
}

/// Fills dw with what add(sums) adds to sums [rows, size], which begin at zero.
template <class Add>
void add_rows(const kernels::BagsAt& at, void* dw, const char* op, const Add& add) {
  const cpu::Embedding& e = at.bags.embedding;
  const int64_t results = e.rows * e.size, bags = at.bags.bags * e.size;
  if (results == 0) return;
  const cudaStream_t stream = runtime().stream_in_use();
  visit_row_type(e.dtype, [&]<class T>() {
    const bool direct = item_size(e.dtype) == int64_t(sizeof(T));
    const Scratch wide(direct ? 0 : results * int64_t(sizeof(T)));
    T* sums = direct ? static_cast<T*>(dw) : wide.data<T>();
    check_cuda(cudaMemsetAsync(sums, 0, std::size_t(results) * sizeof(T), stream), op);
    if (bags > 0) add(sums, blocks_for(bags), stream);
    const bool scaled = e.scale_by_frequency && at.bags.mode != cpu::BagMode::max;
    const Scratch counts(scaled ? e.rows * 8 : 0);
    auto* frequencies = scaled ? counts.data<unsigned long long>() : nullptr;
    if (frequencies) {
      check_cuda(cudaMemsetAsync(frequencies, 0, std::size_t(e.rows) * 8, stream), op);
      if (e.count) kernels::count_rows<<<blocks_for(e.count), block_threads, 0, stream>>>(at, frequencies);
    }
    if (!direct || frequencies)
      kernels::finish_rows<T><<<blocks_for(results), block_threads, 0, stream>>>(e, sums, frequencies, dw);
  });
  check_launch(op);
}

/// sums += the gradients of sums or means, or of maxima.
template <class T>
void add_gradients(const kernels::BagsAt& at, const void* dy, const int64_t* maxima, T* sums, int blocks,
                   cudaStream_t stream, const char* op) {
  const cpu::Embedding& e = at.bags.embedding;
  if (!backends().deterministic_algorithms) {
    if (maxima) kernels::add_to_maxima<<<blocks, block_threads, 0, stream>>>(at, dy, maxima, sums);
    else kernels::add_to_rows<<<blocks, block_threads, 0, stream>>>(at, dy, sums);
    return;
  }
  const int64_t numbers = maxima ? at.bags.bags * e.size : e.count;
  const Scratch memory(numbers * int64_t(sizeof(int64_t)));
  auto* targets = memory.data<int64_t>();
  if (numbers == 0) return;
  if (maxima) kernels::find_maxima<<<blocks_for(numbers), block_threads, 0, stream>>>(at, maxima, targets);
  else kernels::find_rows<<<blocks_for(numbers), block_threads, 0, stream>>>(at, targets);
  group_by_target(targets, numbers, op, [&](const Groups& groups) {
    if (maxima)
      kernels::add_to_maxima_in_order<<<blocks, block_threads, 0, stream>>>(groups, e.dtype, dy, sums);
    else
      kernels::add_to_rows_in_order<<<blocks_for(numbers * e.size), block_threads, 0, stream>>>(at, groups,
                                                                                                dy, sums);
  });
}

}  // namespace

void embedding_backward(const cpu::Embedding& table, const void* dy, const int64_t* indices, void* dw) {
  const cpu::Bags each{table, cpu::BagMode::sum, table.count, indices, nullptr};
  const kernels::BagsAt at = bags_at(each, "embedding_backward");
  add_rows(at, dw, "embedding_backward", [&]<class T>(T* sums, int blocks, cudaStream_t stream) {
    add_gradients(at, dy, nullptr, sums, blocks, stream, "embedding_backward");
  });
}

void embedding_bag(const cpu::Bags& bags, const void* weight, void* y, int64_t* maxima) {
  const kernels::BagsAt at = bags_at(bags, "embedding_bag");
  const int64_t results = bags.bags * bags.embedding.size;
  if (results == 0) return;
  const cudaStream_t stream = runtime().stream_in_use();
  visit_row_type(bags.embedding.dtype, [&]<class T>() {
    if (bags.mode == cpu::BagMode::max)
      kernels::max_bags<T><<<blocks_for(results), block_threads, 0, stream>>>(at, weight, y, maxima);
    else kernels::sum_bags<T><<<blocks_for(results), block_threads, 0, stream>>>(at, weight, y);
  });
  check_launch("embedding_bag");
}

void embedding_bag_backward(const cpu::Bags& bags, const void* dy, const int64_t* maxima, void* dw) {
  const kernels::BagsAt at = bags_at(bags, "embedding_bag_backward");
  add_rows(at, dw, "embedding_bag_backward", [&]<class T>(T* sums, int blocks, cudaStream_t stream) {
    add_gradients(at, dy, bags.mode == cpu::BagMode::max ? maxima : nullptr, sums, blocks, stream,
                  "embedding_bag_backward");
  });
}

void embedding_bag_backward_samples(const cpu::Bags& bags, const void* weight, const void* dy,
                                    void* dsample_weights) {
  const kernels::BagsAt at = bags_at(bags, "embedding_bag_backward");
  if (bags.embedding.count == 0) return;
  const int blocks = blocks_for(bags.embedding.count, block_threads / 32);
  visit_row_type(bags.embedding.dtype, [&]<class T>() {
    kernels::multiply_rows<T>
        <<<blocks, block_threads, 0, runtime().stream_in_use()>>>(at, weight, dy, dsample_weights);
  });
  check_launch("embedding_bag_backward");
}

}  // namespace taper::cuda
