// Combining values at positions given by numbers: a thread for each line along the indexed dimension.
#include "cuda/device.cuh"
#include "cuda/scatter_reduce.h"

namespace taper::cuda {

namespace {

/// Lines of the indices' shape; counts has an element for each of y, line by line, for means.
struct CombinePlan {
  static constexpr int max_dims = 12;

  char* y;
  const int64_t* index;
  const char* x;
  int64_t* counts;
  DType dtype;
  cpu::Combine combine;
  bool include_self;
  int* fault_word;
  int64_t lines, length, size;         // of indices along dim, and of y
  int64_t y_step, index_step, x_step;  // along dim
  int dims = 0;
  int64_t sizes[max_dims], y_strides[max_dims], index_strides[max_dims], x_strides[max_dims];
};

}  // namespace

namespace kernels {

/// What changes nothing that it is combined with.
template <class W>
__device__ __forceinline__ W neutral(cpu::Combine combine, DType dtype, int64_t item) {
  const bool multiplies = combine == cpu::Combine::multiply, least = combine == cpu::Combine::amin;
  if (combine != cpu::Combine::amin && combine != cpu::Combine::amax) return W(multiplies ? 1 : 0);
  if constexpr (std::is_floating_point_v<W>) return W(least ? INFINITY : -INFINITY);
  if constexpr (std::is_same_v<W, int64_t>) {
    const int64_t most = int64_t(~uint64_t(0) >> (65 - 8 * item));
    return least ? most : -most - 1;
  }
  if constexpr (std::is_same_v<W, uint64_t>)
    return !least ? 0 : dtype == boolean ? 1 : ~uint64_t(0) >> (64 - 8 * item);
  return W(0);
}

template <class W>
__device__ __forceinline__ W combined(cpu::Combine combine, W a, W b) {
  if (combine == cpu::Combine::multiply) return a * b;
  if constexpr (!is_complex_v<W>) {
    if (combine == cpu::Combine::amin) return a != a || a < b ? a : b;
    if (combine == cpu::Combine::amax) return a != a || a > b ? a : b;
  }
  return a + b;
}

template <class W>
__device__ __forceinline__ W divided(W sum, int64_t count, DType dtype) {
  if constexpr (std::is_same_v<W, int64_t>) return sum / count - (sum % count < 0);
  else if constexpr (std::is_same_v<W, uint64_t>)
    return dtype == boolean ? uint64_t(sum && count == 1) : sum / uint64_t(count);
  else if constexpr (is_complex_v<W>) return sum / double(count);
  else return sum / W(count);
}

template <class W>
__global__ void __launch_bounds__(block_threads) combine_lines(const __grid_constant__ CombinePlan p) {
  const int64_t item = item_size(p.dtype);
  for (int64_t line = thread_number(); line < p.lines; line += thread_count()) {
    char* y = p.y;
    const int64_t* index = p.index;
    const char* x = p.x;
    for (int64_t d = p.dims - 1, rest = line; d >= 0; --d) {
      const int64_t at = rest % p.sizes[d];
      rest /= p.sizes[d];
      y += at * p.y_strides[d] * item, index += at * p.index_strides[d], x += at * p.x_strides[d] * item;
    }
    int64_t* const counts = p.counts ? p.counts + line * p.size : nullptr;
    if (!p.include_self)
      for (int64_t j = 0; j < p.length; ++j) {
        const int64_t to = index[j * p.index_step];
        if (to >= 0 && to < p.size)
          store(y + to * p.y_step * item, p.dtype, neutral<W>(p.combine, p.dtype, item));
      }
    for (int64_t j = 0; j < p.length; ++j) {
      const int64_t to = index[j * p.index_step];
      if (to < 0 || to >= p.size) {
        atomicExch(p.fault_word, int(Fault::scatter));
        continue;
      }
      char* const place = y + to * p.y_step * item;
      store(place, p.dtype,
            combined(p.combine, load<W>(place, p.dtype), load<W>(x + j * p.x_step * item, p.dtype)));
      if (counts) ++counts[to];
    }
    for (int64_t k = 0; counts && k < p.size; ++k) {
      if (counts[k] == 0) continue;
      char* const place = y + k * p.y_step * item;
      store(place, p.dtype, divided(load<W>(place, p.dtype), counts[k] + p.include_self, p.dtype));
    }
  }
}

}  // namespace kernels

void scatter_combining(const cpu::Target& y, DType dtype, int dim, const cpu::Indices& index,
                       const cpu::Source& x, cpu::Combine combine, bool include_self, const char* op) {
  using cpu::Combine;
  check<DTypeError>(!is_complex(dtype) || (combine != Combine::amin && combine != Combine::amax), op, ": ",
                    dtype, " has no order; amin and amax need real numbers");
  CombinePlan plan{};
  plan.y = static_cast<char*>(y.data), plan.index = index.data, plan.x = static_cast<const char*>(x.data);
  plan.dtype = dtype, plan.combine = combine, plan.include_self = include_self;
  plan.fault_word = runtime().fault_word();
  plan.lines = plan.length = plan.size = 1;
  for (int i = 0; i < index.sizes.size(); ++i) {
    if (i == dim) {
      plan.length = index.sizes[i], plan.size = y.sizes[i];
      plan.y_step = y.strides[i], plan.index_step = index.strides[i], plan.x_step = x.strides[i];
      continue;
    }
    check<ShapeError>(plan.dims < CombinePlan::max_dims, op, ": on CUDA at most ", CombinePlan::max_dims + 1,
                      " dimensions are supported");
    plan.sizes[plan.dims] = index.sizes[i], plan.y_strides[plan.dims] = y.strides[i];
    plan.index_strides[plan.dims] = index.strides[i], plan.x_strides[plan.dims] = x.strides[i];
    plan.lines *= index.sizes[i];
    ++plan.dims;
  }
  if (plan.lines * plan.length == 0) return;
  const cudaStream_t stream = runtime().stream_in_use();
  const bool averages = combine == Combine::mean;
  const Scratch counts(averages ? plan.lines * plan.size * 8 : 8);
  if (averages) {
    plan.counts = counts.data<int64_t>();
    check_cuda(cudaMemsetAsync(plan.counts, 0, std::size_t(plan.lines * plan.size * 8), stream), op);
  }
  visit_wide(dtype, [&]<class W>() {
    kernels::combine_lines<W><<<blocks_for(plan.lines), block_threads, 0, stream>>>(plan);
  });
  check_launch(op);
}

}  // namespace taper::cuda
