// Copies and fills of strided memory, between any two dtypes.
#include "base/visit.h"
#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cuda/device.cuh"
#include "cuda/elementwise.h"

namespace taper::cuda {

namespace {

/// Operand 0 is the target, 1 the source; dimensions innermost first, strides in bytes.
struct CopyPlan {
  static constexpr int max_dims = ElementwisePlan::max_dims;
  char* target;
  const char* source;
  DType to, from;
  int64_t total;
  int dims;
  int64_t sizes[max_dims], target_strides[max_dims], source_strides[max_dims];
};

CopyPlan plan_of(const Shape& sizes, const cpu::Operand& source, const cpu::Operand& target) {
  const cpu::Operand* operands[] = {&target, &source};
  const cpu::Loop loop(sizes, operands, 2);
  check<ShapeError>(loop.dims <= CopyPlan::max_dims, "copy_: on CUDA at most ", CopyPlan::max_dims,
                    " dimensions may be left after merging, got shape ", sizes);
  CopyPlan plan{loop.data[0], loop.data[1], target.dtype, source.dtype, loop.total, loop.dims, {}, {}, {}};
  for (int d = 0; d < loop.dims; ++d) {
    plan.sizes[d] = loop.sizes[d];
    plan.target_strides[d] = loop.strides[0][d];
    plan.source_strides[d] = loop.strides[1][d];
  }
  return plan;
}

}  // namespace

namespace kernels {

__device__ __forceinline__ void place_of(const CopyPlan& plan, int64_t i, int64_t& to, int64_t& from) {
  to = from = 0;
  for (int d = 0; d < plan.dims; ++d) {
    int64_t place = i;
    if (d + 1 < plan.dims) {
      const int64_t quotient =
          plan.total <= UINT32_MAX ? std::uint32_t(i) / std::uint32_t(plan.sizes[d]) : i / plan.sizes[d];
      place = i - quotient * plan.sizes[d];
      i = quotient;
    }
    to += place * plan.target_strides[d];
    from += place * plan.source_strides[d];
  }
}

/// Elements as they are.
template <class Element>
__global__ void __launch_bounds__(block_threads) move(const CopyPlan plan) {
  for (int64_t i = thread_number(); i < plan.total; i += thread_count()) {
    int64_t to, from;
    place_of(plan, i, to, from);
    *reinterpret_cast<Element*>(plan.target + to) = *reinterpret_cast<const Element*>(plan.source + from);
  }
}

/// As cpu::convert does.
template <class W>
__device__ __forceinline__ void store_converted(void* p, DType dtype, W value) {
  if constexpr (is_complex_v<W>) {
    if (is_complex(dtype)) return store(p, dtype, value);
    if (dtype == boolean) return store(p, dtype, value.real() != 0 || value.imag() != 0);
    store_converted(p, dtype, value.real());
  } else if constexpr (std::is_floating_point_v<W>) {
    if (is_floating_point(dtype)) return store(p, dtype, value);
    if (is_complex(dtype)) return store(p, dtype, Complex(value, 0));
    if (dtype == boolean) return store(p, dtype, value != 0);
    if (dtype == uint64 && value >= 0x1p63 && value < 0x1p64) return store(p, dtype, std::uint64_t(value));
    // Out of range and NaN: the least integer of 32 or 64 bits, cut to the target's width.
    const bool narrow = item_size(dtype) < 4 || dtype == int32;
    const double bound = narrow ? 0x1p31 : 0x1p63;
    const bool fits = value >= -bound && value < bound;
    store(p, dtype, std::int64_t(fits ? value : -bound));
  } else {
    if (is_floating_point(dtype)) {
      if (dtype == float64) return store(p, dtype, double(value));
      // One rounding to float32, as converting by way of float64 would round twice.
      return store(p, dtype, float(value));
    }
    if (is_complex(dtype)) return store(p, dtype, Complex(double(value), 0));
    if (dtype == boolean) return store(p, dtype, value != 0);
    store(p, dtype, value);
  }
}

template <class W>
__global__ void __launch_bounds__(block_threads) convert(const CopyPlan plan) {
  for (int64_t i = thread_number(); i < plan.total; i += thread_count()) {
    int64_t to, from;
    place_of(plan, i, to, from);
    store_converted(plan.target + to, plan.to, load<W>(plan.source + from, plan.from));
  }
}

/// One element of memory-to-be everywhere: bits are its bytes.
template <class Element>
__global__ void __launch_bounds__(block_threads) fill(const CopyPlan plan, const Element value) {
  for (int64_t i = thread_number(); i < plan.total; i += thread_count()) {
    int64_t to, from;
    place_of(plan, i, to, from);
    *reinterpret_cast<Element*>(plan.target + to) = value;
  }
}

}  // namespace kernels

namespace {

template <class F>
void by_item_size(int64_t size, F&& f) {
  switch (size) {
    case 1: return f.template operator()<std::uint8_t>();
    case 2: return f.template operator()<std::uint16_t>();
    case 4: return f.template operator()<std::uint32_t>();
    case 8: return f.template operator()<std::uint64_t>();
    default: return f.template operator()<ulonglong2>();
  }
}

bool dense(const CopyPlan& plan) {
  const int64_t size = item_size(plan.to);
  return plan.dims == 1 && plan.target_strides[0] == size && plan.source_strides[0] == size;
}

}  // namespace

void copy(const Shape& sizes, const cpu::Operand& source, const cpu::Operand& target) {
  const CopyPlan plan = plan_of(sizes, source, target);
  const cudaStream_t stream = runtime().stream_in_use();
  if (plan.total == 0) return;
  if (plan.from == plan.to && dense(plan)) {
    const auto bytes = std::size_t(plan.total * item_size(plan.to));
    return check_cuda(cudaMemcpyAsync(plan.target, plan.source, bytes, cudaMemcpyDeviceToDevice, stream),
                      "copy_");
  }
  const int blocks = blocks_for(plan.total);
  if (plan.from == plan.to)
    by_item_size(item_size(plan.to), [&]<class Element>() {
      kernels::move<Element><<<blocks, block_threads, 0, stream>>>(plan);
    });
  else
    visit_wide(plan.from,
               [&]<class W>() { kernels::convert<W><<<blocks, block_threads, 0, stream>>>(plan); });
  check_launch("copy_");
}

void fill(const Shape& sizes, const cpu::Operand& target, const Scalar& value) {
  const CopyPlan plan = plan_of(sizes, target, target);
  if (plan.total == 0) return;
  alignas(16) unsigned char bytes[16];
  visit(plan.to, [&]<class T>() {
    T element;
    if constexpr (std::is_same_v<T, bool>) element = value.to<bool>();
    else if (value.is_complex()) element = cpu::convert<T>(value.to<std::complex<double>>());
    else if (value.is_floating()) element = cpu::convert<T>(value.to<double>());
    else element = cpu::convert<T>(value.to<std::int64_t>());
    memcpy(bytes, &element, sizeof element);
  });
  by_item_size(item_size(plan.to), [&]<class Element>() {
    Element element;
    memcpy(&element, bytes, sizeof element);
    kernels::fill<<<blocks_for(plan.total), block_threads, 0, runtime().stream_in_use()>>>(plan, element);
  });
  check_launch("fill_");
}

}  // namespace taper::cuda
