// Gather, scatter, index_select, index_add, advanced indexing and embedding: one kernel, which finds for each
// position an element on either side.
#include "cuda/device.cuh"
#include "cuda/elementwise.h"
#include "cuda/groups.cuh"
#include "cuda/index.h"
#include "cuda/scatter_reduce.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace {

/// Positions of the loop, row-major, innermost dimension first; strides in elements. Side 0 is written, side
/// 1 read. Each index adds value * stride to one side.
struct IndexPlan {
  static constexpr int max_dims = 12, max_indices = 6;

  char* data[2];
  DType dtype;
  Fault fault;
  int* fault_word;
  int64_t total = 1;
  int dims = 0;
  int64_t sizes[max_dims], strides[2][max_dims];
  int index_count = 0;
  struct Index {
    const int64_t* data;
    int64_t size, stride;  // of the dimension that is indexed
    bool wraps;            // negative values count from the end
    int side;
    int64_t strides[max_dims];  // of the index itself over the loop
  } indices[max_indices];

  IndexPlan(void* written, const void* read, DType type, Fault reported)
      : data{static_cast<char*>(written), static_cast<char*>(const_cast<void*>(read))},
        dtype(type),
        fault(reported),
        fault_word(runtime().fault_word()) {}

  void add_index(const int64_t* values, int64_t size, int64_t stride, bool wraps, int side, const char* op) {
    check<ShapeError>(index_count < max_indices, op, ": on CUDA at most ", max_indices,
                      " indices are supported");
    indices[index_count++] = {values, size, stride, wraps, side, {}};
  }
  /// Outermost dimensions last.
  void add_dim(int64_t size, int64_t written, int64_t read, std::initializer_list<int64_t> of_indices,
               const char* op) {
    check<ShapeError>(dims < max_dims, op, ": on CUDA at most ", max_dims, " dimensions are supported");
    sizes[dims] = size;
    strides[0][dims] = written;
    strides[1][dims] = read;
    int k = 0;
    for (const int64_t stride : of_indices) indices[k++].strides[dims] = stride;
    total *= size;
    ++dims;
  }
};

}  // namespace

namespace kernels {

/// Offsets in elements of both sides at position i; false if an index is out of range.
__device__ __forceinline__ bool find(const IndexPlan& plan, int64_t i, int64_t (&offset)[2]) {
  offset[0] = offset[1] = 0;
  int64_t index_offset[IndexPlan::max_indices] = {};
  for (int d = 0; d < plan.dims; ++d) {
    const int64_t quotient = i / plan.sizes[d], place = i - quotient * plan.sizes[d];
    i = quotient;
    offset[0] += place * plan.strides[0][d];
    offset[1] += place * plan.strides[1][d];
#pragma unroll
    for (int k = 0; k < IndexPlan::max_indices; ++k)
      if (k < plan.index_count) index_offset[k] += place * plan.indices[k].strides[d];
  }
#pragma unroll
  for (int k = 0; k < IndexPlan::max_indices; ++k) {
    if (k >= plan.index_count) break;
    const auto& index = plan.indices[k];
    int64_t value = index.data[index_offset[k]];
    if (index.wraps && value < 0) value += index.size;
    if (value < 0 || value >= index.size) {
      atomicExch(plan.fault_word, int(plan.fault));
      return false;
    }
    offset[index.side] += value * index.stride;
  }
  return true;
}

/// Where an index is named twice, two threads write one element, and either value may stay: volatile stores
/// are whole words.
template <class Element>
__device__ __forceinline__ void store_shared(Element* to, Element value) {
  if constexpr (sizeof(Element) == 16) {
    auto* words = reinterpret_cast<volatile unsigned long long*>(to);
    words[0] = value.x, words[1] = value.y;
  } else {
    *reinterpret_cast<volatile Element*>(to) = value;
  }
}

template <class Element>
__global__ void __launch_bounds__(block_threads) move_indexed(const __grid_constant__ IndexPlan plan) {
  for (int64_t i = thread_number(); i < plan.total; i += thread_count()) {
    int64_t offset[2];
    const bool found = find(plan, i, offset);
    // A read out of range leaves zero, a write nothing.
    if (!found && plan.indices[0].side == 0) continue;
    auto* to = reinterpret_cast<Element*>(plan.data[0]) + offset[0];
    const auto* from = reinterpret_cast<const Element*>(plan.data[1]) + offset[1];
    if (plan.indices[0].side == 0) store_shared(to, *from);
    else *to = found ? *from : Element{};
  }
}

/// Adds atomically; types without an instruction of their own exchange the 32 bits around them.
__device__ __forceinline__ void add_at(char* p, DType dtype, double value) {
  if (dtype == float64) {
    atomicAdd(reinterpret_cast<double*>(p), value);
  } else if (dtype == float32) {
    atomicAdd(reinterpret_cast<float*>(p), float(value));
  } else {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    auto* word = reinterpret_cast<unsigned*>(address & ~std::uintptr_t(3));
    const int shift = address & 2 ? 16 : 0;
    unsigned seen = 0, expected;  // a guess, which the exchange corrects
    do {
      expected = seen;
      const auto half = static_cast<unsigned short>(expected >> shift);
      unsigned short sum;
      if (dtype == float16)
        sum = __half_as_ushort(__float2half_rn(__half2float(__ushort_as_half(half)) + float(value)));
      else
        sum = __bfloat16_as_ushort(
            __float2bfloat16_rn(__bfloat162float(__ushort_as_bfloat16(half)) + float(value)));
      const unsigned wanted = (expected & ~(0xffffu << shift)) | unsigned(sum) << shift;
      seen = atomicCAS(word, expected, wanted);
    } while (seen != expected);
  }
}
__device__ __forceinline__ void add_at(char* p, DType dtype, int64_t value) {
  if (item_size(dtype) == 8) {
    atomicAdd(reinterpret_cast<unsigned long long*>(p), static_cast<unsigned long long>(value));
  } else if (item_size(dtype) == 4) {
    atomicAdd(reinterpret_cast<unsigned*>(p), unsigned(value));
  } else {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    auto* word = reinterpret_cast<unsigned*>(address & ~std::uintptr_t(3));
    const int shift = int(address & 3) * 8;
    const unsigned mask = (item_size(dtype) == 2 ? 0xffffu : 0xffu) << shift;
    unsigned seen = 0, expected;  // a guess, which the exchange corrects
    do {
      expected = seen;
      unsigned sum = ((expected & mask) >> shift) + unsigned(value);
      if (dtype == boolean) sum = sum != 0;
      seen = atomicCAS(word, expected, (expected & ~mask) | (sum << shift & mask));
    } while (seen != expected);
  }
}

/// Each part by itself.
__device__ __forceinline__ void add_at(char* p, DType dtype, Complex value) {
  if (dtype == complex64) {
    atomicAdd(reinterpret_cast<float*>(p), float(value.real()));
    atomicAdd(reinterpret_cast<float*>(p) + 1, float(value.imag()));
  } else {
    atomicAdd(reinterpret_cast<double*>(p), value.real());
    atomicAdd(reinterpret_cast<double*>(p) + 1, value.imag());
  }
}

template <class W>
__global__ void __launch_bounds__(block_threads)
    add_indexed(const __grid_constant__ IndexPlan plan, const W alpha) {
  const int64_t item = item_size(plan.dtype);
  for (int64_t i = thread_number(); i < plan.total; i += thread_count()) {
    int64_t offset[2];
    if (!find(plan, i, offset)) continue;
    W value;
    if constexpr (std::is_integral_v<W>) {
      value = is_signed(plan.dtype) ? load<int64_t>(plan.data[1] + offset[1] * item, plan.dtype)
                                    : int64_t(load<uint64_t>(plan.data[1] + offset[1] * item, plan.dtype));
    } else {
      value = load<W>(plan.data[1] + offset[1] * item, plan.dtype);
    }
    add_at(plan.data[0] + offset[0] * item, plan.dtype, value * alpha);
  }
}

/// For each position of the indices: the elements it writes and reads where the other dimensions are at 0;
/// -1 where an index is out of range.
__global__ void __launch_bounds__(block_threads)
    find_targets(const __grid_constant__ IndexPlan indexed, int64_t* targets, int64_t* sources) {
  for (int64_t i = thread_number(); i < indexed.total; i += thread_count()) {
    int64_t offset[2];
    const bool found = find(indexed, i, offset);
    targets[i] = found ? offset[0] : -1;
    sources[i] = offset[1];
  }
}

/// What is written at one element is added in the order of its positions. `rest` has the dimensions that are
/// not indexed.
template <class W>
__global__ void __launch_bounds__(block_threads)
    add_groups(const __grid_constant__ IndexPlan rest, const Groups groups, const int64_t* sources,
               const W alpha) {
  const int64_t item = item_size(rest.dtype);
  for (int64_t i = thread_number(); i < groups.n * rest.total; i += thread_count()) {
    const int64_t k = i / rest.total;
    if (!groups.begins(k)) continue;
    int64_t offset[2];
    find(rest, i - k * rest.total, offset);
    char* const to = rest.data[0] + (groups.target(k) + offset[0]) * item;
    W sum = load<W>(to, rest.dtype);
    groups.each(k, [&](int64_t position) {
      sum += alpha * load<W>(rest.data[1] + (sources[position] + offset[1]) * item, rest.dtype);
    });
    store(to, rest.dtype, sum);
  }
}

/// Of what is written at one element, that of the last position stays.
template <class Element>
__global__ void __launch_bounds__(block_threads)
    move_last(const __grid_constant__ IndexPlan rest, const Groups groups, const int64_t* sources) {
  for (int64_t i = thread_number(); i < groups.n * rest.total; i += thread_count()) {
    const int64_t k = i / rest.total;
    if (!groups.ends(k)) continue;
    int64_t offset[2];
    find(rest, i - k * rest.total, offset);
    reinterpret_cast<Element*>(rest.data[0])[groups.target(k) + offset[0]] =
        reinterpret_cast<const Element*>(rest.data[1])[sources[groups.order[k]] + offset[1]];
  }
}

}  // namespace kernels

namespace {

bool is_indexed(const IndexPlan& plan, int dim) {
  for (int k = 0; k < plan.index_count; ++k)
    if (plan.indices[k].strides[dim] != 0) return true;
  return false;
}

/// The dimensions of a plan that are indexed, or the others, without the indices.
IndexPlan part_of(const IndexPlan& plan, bool indexed) {
  IndexPlan part = plan;
  part.total = 1, part.dims = 0;
  if (!indexed) part.index_count = 0;
  for (int d = 0; d < plan.dims; ++d) {
    if (is_indexed(plan, d) != indexed) continue;
    part.sizes[part.dims] = plan.sizes[d];
    for (int side = 0; side < 2; ++side) part.strides[side][part.dims] = plan.strides[side][d];
    for (int k = 0; k < plan.index_count; ++k)
      part.indices[k].strides[part.dims] = plan.indices[k].strides[d];
    part.total *= plan.sizes[d];
    ++part.dims;
  }
  return part;
}

/// run(rest, groups, sources, blocks) with what is written at each element grouped.
template <class Run>
void run_grouped(const IndexPlan& plan, const char* op, const Run& run) {
  const IndexPlan indexed = part_of(plan, true), rest = part_of(plan, false);
  const Scratch memory(2 * indexed.total * int64_t(sizeof(int64_t)));
  int64_t *const targets = memory.data<int64_t>(), *const sources = targets + indexed.total;
  kernels::find_targets<<<blocks_for(indexed.total), block_threads, 0, runtime().stream_in_use()>>>(
      indexed, targets, sources);
  check_launch(op);
  group_by_target(targets, indexed.total, op, [&](const Groups& groups) {
    run(rest, groups, sources, blocks_for(plan.total));
    check_launch(op);
  });
}

void run_move_in_order(const IndexPlan& plan, const char* op) {
  const cudaStream_t stream = runtime().stream_in_use();
  run_grouped(plan, op, [&](const auto& rest, const Groups& groups, const int64_t* sources, int blocks) {
    const auto move = [&]<class Element>(Element) {
      kernels::move_last<Element><<<blocks, block_threads, 0, stream>>>(rest, groups, sources);
    };
    switch (item_size(plan.dtype)) {
      case 1: return move(std::uint8_t());
      case 2: return move(std::uint16_t());
      case 4: return move(std::uint32_t());
      case 8: return move(std::uint64_t());
      default: return move(ulonglong2());
    }
  });
}

void run_add_in_order(const IndexPlan& plan, const Scalar& alpha, const char* op) {
  const cudaStream_t stream = runtime().stream_in_use();
  run_grouped(plan, op, [&](const auto& rest, const Groups& groups, const int64_t* sources, int blocks) {
    const auto add = [&]<class W>(W factor) {
      kernels::add_groups<W><<<blocks, block_threads, 0, stream>>>(rest, groups, sources, factor);
    };
    if (is_complex(plan.dtype)) {
      const auto factor = alpha.to<std::complex<double>>();
      add(Complex(factor.real(), factor.imag()));
    } else if (plan.dtype == float64) {
      add(alpha.to<double>());
    } else {
      add(alpha.to<float>());
    }
  });
}

void run_move(const IndexPlan& plan, const char* op) {
  if (plan.total == 0) return;
  if (backends().deterministic_algorithms && plan.indices[0].side == 0) return run_move_in_order(plan, op);
  const int blocks = blocks_for(plan.total);
  const cudaStream_t stream = runtime().stream_in_use();
  switch (item_size(plan.dtype)) {
    case 1: kernels::move_indexed<std::uint8_t><<<blocks, block_threads, 0, stream>>>(plan); break;
    case 2: kernels::move_indexed<std::uint16_t><<<blocks, block_threads, 0, stream>>>(plan); break;
    case 4: kernels::move_indexed<std::uint32_t><<<blocks, block_threads, 0, stream>>>(plan); break;
    case 8: kernels::move_indexed<std::uint64_t><<<blocks, block_threads, 0, stream>>>(plan); break;
    default: kernels::move_indexed<ulonglong2><<<blocks, block_threads, 0, stream>>>(plan);
  }
  check_launch(op);
}

void run_add(const IndexPlan& plan, const Scalar& alpha, const char* op) {
  if (plan.total == 0) return;
  // Sums of integers are the same in any order.
  if (backends().deterministic_algorithms && !is_integral(plan.dtype, true))
    return run_add_in_order(plan, alpha, op);
  const int blocks = blocks_for(plan.total);
  const cudaStream_t stream = runtime().stream_in_use();
  if (is_complex(plan.dtype)) {
    const auto factor = alpha.to<std::complex<double>>();
    kernels::add_indexed<Complex>
        <<<blocks, block_threads, 0, stream>>>(plan, Complex(factor.real(), factor.imag()));
  } else if (is_floating_point(plan.dtype))
    kernels::add_indexed<double><<<blocks, block_threads, 0, stream>>>(plan, alpha.to<double>());
  else kernels::add_indexed<int64_t><<<blocks, block_threads, 0, stream>>>(plan, alpha.to<std::int64_t>());
  check_launch(op);
}

/// Of gather and scatter: the index replaces dim on one side.
void add_dims(IndexPlan& plan, const cpu::Indices& index, const Shape& written, const Shape& read, int dim,
              int side, const char* op) {
  for (int i = index.sizes.size() - 1; i >= 0; --i)
    plan.add_dim(index.sizes[i], i == dim && side == 0 ? 0 : written[i], i == dim && side == 1 ? 0 : read[i],
                 {index.strides[i]}, op);
}

/// Of index_select and index_add: the one-dimensional index replaces dim on one side. 0-d operands have no
/// dims.
void add_slices(IndexPlan& plan, const Shape& sizes, const cpu::Indices& index, const Shape& written,
                const Shape& read, int dim, int side, const char* op) {
  const int64_t step = index.strides.empty() ? 0 : index.strides[0];
  if (sizes.empty()) plan.add_dim(1, 0, 0, {0}, op);
  for (int i = sizes.size() - 1; i >= 0; --i) {
    const bool here = i == dim;
    plan.add_dim(here ? numel(index.sizes) : sizes[i], here && side == 0 ? 0 : written[i],
                 here && side == 1 ? 0 : read[i], {here ? step : 0}, op);
  }
}

}  // namespace

void gather(const cpu::Source& x, DType dtype, int dim, const cpu::Indices& index, void* y) {
  IndexPlan plan(y, x.data, dtype, Fault::gather);
  if (index.sizes.empty()) {
    plan.add_index(index.data, 1, 1, false, 1, "gather");
    plan.add_dim(1, 0, 0, {0}, "gather");
  } else {
    plan.add_index(index.data, x.sizes[dim], x.strides[dim], false, 1, "gather");
    add_dims(plan, index, contiguous_strides(index.sizes), x.strides, dim, 1, "gather");
  }
  run_move(plan, "gather");
}

void scatter(const cpu::Target& y, DType dtype, int dim, const cpu::Indices& index, const cpu::Source& x,
             cpu::Combine combine, bool include_self, const char* op) {
  if (combine != cpu::Combine::set && (combine != cpu::Combine::add || !include_self))
    return scatter_combining(y, dtype, dim, index, x, combine, include_self, op);
  IndexPlan plan(y.data, x.data, dtype, Fault::scatter);
  if (index.sizes.empty()) {
    plan.add_index(index.data, 1, 1, false, 0, op);
    plan.add_dim(1, 0, 0, {0}, op);
  } else {
    plan.add_index(index.data, y.sizes[dim], y.strides[dim], false, 0, op);
    add_dims(plan, index, y.strides, x.strides, dim, 0, op);
  }
  if (combine == cpu::Combine::set) run_move(plan, op);
  else run_add(plan, 1, op);
}

void index_select(const cpu::Source& x, DType dtype, int dim, const cpu::Indices& index, void* y) {
  IndexPlan plan(y, x.data, dtype, Fault::index);
  Shape sizes = x.sizes;
  if (!sizes.empty()) sizes[dim] = numel(index.sizes);
  plan.add_index(index.data, x.sizes.empty() ? 1 : x.sizes[dim], x.sizes.empty() ? 1 : x.strides[dim], false,
                 1, "index_select");
  add_slices(plan, x.sizes, index, contiguous_strides(sizes), x.strides, dim, 1, "index_select");
  run_move(plan, "index_select");
}

void index_add(const cpu::Target& y, DType dtype, int dim, const cpu::Indices& index, const cpu::Source& x,
               const Scalar& alpha) {
  IndexPlan plan(y.data, x.data, dtype, Fault::index);
  plan.add_index(index.data, y.sizes.empty() ? 1 : y.sizes[dim], y.sizes.empty() ? 1 : y.strides[dim], false,
                 0, "index_add");
  add_slices(plan, y.sizes, index, y.strides, x.strides, dim, 0, "index_add");
  run_add(plan, alpha, "index_add");
}

namespace {

/// side: where the indices count, 0 written or 1 read; the values on the other side.
void add_advanced(IndexPlan& plan, const cpu::AdvancedIndex& index, int side, const char* op) {
  for (const auto& operand : index.operands)
    plan.add_index(operand.data, operand.size, operand.stride, true, side, op);
  const auto of_values = [&](int64_t values, int64_t indexed, int which) {
    return which == side ? indexed : values;
  };
  for (int i = index.rest_sizes.size() - 1; i >= 0; --i) {
    const int64_t values = index.rest_strides[i], indexed = index.rest_of_x[i];
    plan.add_dim(index.rest_sizes[i], of_values(values, indexed, 0), of_values(values, indexed, 1), {}, op);
    for (int k = 0; k < plan.index_count; ++k) plan.indices[k].strides[plan.dims - 1] = 0;
  }
  for (int i = index.index_sizes.size() - 1; i >= 0; --i) {
    const int64_t values = index.index_strides[i];
    plan.add_dim(index.index_sizes[i], of_values(values, 0, 0), of_values(values, 0, 1), {}, op);
    for (int k = 0; k < plan.index_count; ++k)
      plan.indices[k].strides[plan.dims - 1] = index.operands[std::size_t(k)].strides[i];
  }
}

}  // namespace

void index(const void* x, DType dtype, const cpu::AdvancedIndex& index, void* y, const char* op) {
  IndexPlan plan(y, x, dtype, Fault::index);
  add_advanced(plan, index, 1, op);
  run_move(plan, op);
}

void index_put(void* x, DType dtype, const cpu::AdvancedIndex& index, const void* values, bool accumulate,
               const char* op) {
  IndexPlan plan(x, values, dtype, Fault::index);
  add_advanced(plan, index, 0, op);
  if (accumulate) run_add(plan, 1, op);
  else run_move(plan, op);
}

void embedding(const cpu::Embedding& table, const void* weight, const int64_t* indices, void* y) {
  IndexPlan plan(y, weight, table.dtype, Fault::embedding);
  plan.add_index(indices, table.rows, table.size, false, 1, "embedding");
  plan.add_dim(table.size, 1, 1, {0}, "embedding");
  plan.add_dim(table.count, table.size, 0, {1}, "embedding");
  run_move(plan, "embedding");
}

}  // namespace taper::cuda
