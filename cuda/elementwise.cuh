// The loops under every elementwise kernel: one over strided, broadcast operands, one over dense runs in
// vectors.
#pragma once

#include "cuda/device.cuh"
#include "cuda/elementwise.h"

namespace taper::cuda {

/// A number from the attributes, or from main memory, as the kernel computes with it.
template <class C>
C number(const Scalar& value) {
  if constexpr (is_complex_v<C>) {
    const auto z = value.to<std::complex<double>>();
    return {z.real(), z.imag()};
  } else if constexpr (std::is_integral_v<C>) {
    return C(value.to<int64_t>());  // negative numbers wrap
  } else {
    return value.to<C>();
  }
}

template <class F>
F make_function(const void* attributes) {
  if constexpr (std::is_constructible_v<F, const void*>) return F(attributes);
  else return F{};
}

// F says so where its first operand is a condition.
template <class F>
inline constexpr bool has_condition = requires {
  F::condition;
};

template <class F, class C>
__device__ __forceinline__ C operand(const ElementwisePlan& plan, int k, int64_t offset) {
  if (plan.numbers >> k & 1) return *reinterpret_cast<const C*>(plan.values[k]);
  const char* at = plan.data[k + 1] + offset;
  if constexpr (has_condition<F>)
    if (k == 0) return C(load<std::uint64_t>(at, plan.dtypes[1]) != 0);
  return load<C>(at, plan.dtypes[k + 1]);
}

template <class F, class C, int arity>
__device__ __forceinline__ auto apply(const F& f, const C* x) {
  if constexpr (arity == 1) return f(x[0]);
  else if constexpr (arity == 2) return f(x[0], x[1]);
  else return f(x[0], x[1], x[2]);
}

/// Any strides; one element a thread at a time.
template <class F, class C, int arity>
__global__ void __launch_bounds__(block_threads) strided_loop(const F f, const ElementwisePlan plan) {
  for (int64_t i = thread_number(); i < plan.total; i += thread_count()) {
    int64_t offset[arity + 1] = {};
    int64_t rest = i;
    for (int d = 0; d < plan.dims; ++d) {
      int64_t place = rest;
      if (d + 1 < plan.dims) {
        // Division of 64 bits takes several times as long as that of 32.
        const int64_t quotient = plan.total <= UINT32_MAX ? std::uint32_t(rest) / std::uint32_t(plan.sizes[d])
                                                          : rest / plan.sizes[d];
        place = rest - quotient * plan.sizes[d];
        rest = quotient;
      }
#pragma unroll
      for (int k = 0; k <= arity; ++k) offset[k] += place * plan.strides[k][d];
    }
    C x[arity];
#pragma unroll
    for (int k = 0; k < arity; ++k) x[k] = operand<F, C>(plan, k, offset[k + 1]);
    store(plan.data[0] + offset[0], plan.dtypes[0], apply<F, C, arity>(f, x));
  }
}

/// Elements 4 i to 4 i + 3 of float32, float16 or bfloat16. All threads take the same branch.
__device__ __forceinline__ float4 load_four(const char* data, DType dtype, int64_t i) {
  if (dtype == float32) return reinterpret_cast<const float4*>(data)[i];
  const uint2 bits = reinterpret_cast<const uint2*>(data)[i];
  float2 low, high;
  if (dtype == float16) {
    low = __half22float2(*reinterpret_cast<const __half2*>(&bits.x));
    high = __half22float2(*reinterpret_cast<const __half2*>(&bits.y));
  } else {
    low = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&bits.x));
    high = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&bits.y));
  }
  return make_float4(low.x, low.y, high.x, high.y);
}

__device__ __forceinline__ void store_four(char* data, DType dtype, int64_t i, const float* x) {
  if (dtype == float32) {
    reinterpret_cast<float4*>(data)[i] = make_float4(x[0], x[1], x[2], x[3]);
    return;
  }
  uint2 bits;
  if (dtype == float16) {
    *reinterpret_cast<__half2*>(&bits.x) = __floats2half2_rn(x[0], x[1]);
    *reinterpret_cast<__half2*>(&bits.y) = __floats2half2_rn(x[2], x[3]);
  } else {
    *reinterpret_cast<__nv_bfloat162*>(&bits.x) = __floats2bfloat162_rn(x[0], x[1]);
    *reinterpret_cast<__nv_bfloat162*>(&bits.y) = __floats2bfloat162_rn(x[2], x[3]);
  }
  reinterpret_cast<uint2*>(data)[i] = bits;
}

/// Dense operands of float32, float16 and bfloat16, aligned to four elements: these four a thread at a time.
template <class F, int arity>
__global__ void __launch_bounds__(block_threads) vector_loop(const F f, const ElementwisePlan plan) {
  const int64_t vectors = plan.total / 4;
  for (int64_t i = thread_number(); i < vectors; i += thread_count()) {
    float4 in[arity];
#pragma unroll
    for (int k = 0; k < arity; ++k) {
      const float value = *reinterpret_cast<const float*>(plan.values[k]);
      in[k] = plan.numbers >> k & 1 ? make_float4(value, value, value, value)
                                    : load_four(plan.data[k + 1], plan.dtypes[k + 1], i);
    }
    float out[4];
#pragma unroll
    for (int lane = 0; lane < 4; ++lane) {
      float x[arity];
#pragma unroll
      for (int k = 0; k < arity; ++k) x[k] = reinterpret_cast<const float*>(&in[k])[lane];
      out[lane] = apply<F, float, arity>(f, x);
    }
    store_four(plan.data[0], plan.dtypes[0], i, out);
  }
  const int64_t i = vectors * 4 + thread_number();
  if (i >= plan.total) return;
  float x[arity];
#pragma unroll
  for (int k = 0; k < arity; ++k) x[k] = operand<F, float>(plan, k, i * plan.strides[k + 1][0]);
  store(plan.data[0] + i * plan.strides[0][0], plan.dtypes[0], apply<F, float, arity>(f, x));
}

/// Whether F returns what it takes. Asked of F and not of apply: to the host's compiler, a device function of
/// deduced type returns void.
template <class F, class C, int arity>
constexpr bool returns_same() {
  if constexpr (arity == 1) return std::is_same_v<std::invoke_result_t<const F&, C>, C>;
  else if constexpr (arity == 2) return std::is_same_v<std::invoke_result_t<const F&, C, C>, C>;
  else return std::is_same_v<std::invoke_result_t<const F&, C, C, C>, C>;
}

template <template <class> class F, class C, int arity>
void run_elementwise(const ElementwisePlan& plan, const void* attributes, const char* op) {
  const F<C> f = make_function<F<C>>(attributes);
  const cudaStream_t stream = runtime().stream_in_use();
  if constexpr (std::is_same_v<C, float> && !has_condition<F<C>> && returns_same<F<C>, C, arity>()) {
    if (plan.in_fours) {
      vector_loop<F<C>, arity><<<blocks_for(plan.total / 4 + 1), block_threads, 0, stream>>>(f, plan);
      return check_launch(op);
    }
  }
  strided_loop<F<C>, C, arity><<<blocks_for(plan.total), block_threads, 0, stream>>>(f, plan);
  check_launch(op);
}

/// float32 and the 16-bit types computed in float64, by the same kernel as float64.
template <template <class> class F, int arity>
void run_in_double(const ElementwisePlan& plan, const void* attributes, const char* op) {
  ElementwisePlan wide = plan;
  for (int k = 0; k < arity; ++k)
    if (plan.numbers >> k & 1)
      *reinterpret_cast<double*>(wide.values[k]) = *reinterpret_cast<const float*>(plan.values[k]);
  run_elementwise<F, double, arity>(wide, attributes, op);
}

/// Installs F for a kernel and the types in which it is computed.
template <template <class> class F, int arity, class... Types>
void install(const cpu::Kernel& kernel) {
  ElementwiseEntry entry;
  const auto set = [&]<class C>(std::type_identity<C>) {
    const RunElementwise run = run_elementwise<F, C, arity>;
    if constexpr (std::is_same_v<C, float>) entry.f32 = run;
    else if constexpr (std::is_same_v<C, double>) entry.f64 = run;
    else if constexpr (std::is_same_v<C, int64_t>) entry.i64 = run;
    else if constexpr (std::is_same_v<C, uint64_t>) entry.u64 = run;
    else entry.c128 = run;
  };
  (set(std::type_identity<Types>{}), ...);
  install_elementwise(kernel, entry);
}

/// For functions that are long to compute and seldom used.
template <template <class> class F, int arity>
void install_in_double(const cpu::Kernel& kernel) {
  install_elementwise(kernel, {.f32 = run_in_double<F, arity>, .f64 = run_elementwise<F, double, arity>});
}
template <template <class> class F, int arity>
void install_complex(const cpu::Kernel& kernel) {
  install<F, arity, Complex>(kernel);
}
template <template <class> class F, int arity>
void install_float(const cpu::Kernel& kernel) {
  install<F, arity, float, double>(kernel);
}
template <template <class> class F, int arity>
void install_float_complex(const cpu::Kernel& kernel) {
  install<F, arity, float, double, Complex>(kernel);
}
template <template <class> class F, int arity>
void install_integer(const cpu::Kernel& kernel) {
  install<F, arity, int64_t, uint64_t>(kernel);
}
template <template <class> class F, int arity>
void install_real(const cpu::Kernel& kernel) {
  install<F, arity, float, double, int64_t, uint64_t>(kernel);
}
template <template <class> class F, int arity>
void install_all(const cpu::Kernel& kernel) {
  install<F, arity, float, double, int64_t, uint64_t, Complex>(kernel);
}

}  // namespace taper::cuda
