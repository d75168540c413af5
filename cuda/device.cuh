// What all kernels share: element types on a device, elements read and written by dtype, and launches.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cuda/std/complex>

#include <algorithm>
#include <cstdint>

#include "cuda/runtime.h"
#include "taper/dtype.h"

namespace taper::cuda {

using std::int64_t;
using std::uint64_t;
using Complex = ::cuda::std::complex<double>;
using Complex64 = ::cuda::std::complex<float>;

template <class T>
inline constexpr bool is_complex_v = false;
template <class T>
inline constexpr bool is_complex_v<::cuda::std::complex<T>> = true;

/// Threads of a block, wherever nothing else is said.
inline constexpr int block_threads = 256;

/// Enough blocks for n elements at one a thread, but no more than keep all processors busy: kernels stride.
inline int blocks_for(int64_t n, int per_block = block_threads) {
  const int64_t most = int64_t(runtime().multi_processors(runtime().device_in_use())) * 32;
  return int(std::max<int64_t>(1, std::min((n + per_block - 1) / per_block, most)));
}

/// The number of the calling thread in the grid, and how many threads that has.
__device__ inline int64_t thread_number() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t thread_count() { return int64_t(gridDim.x) * blockDim.x; }

inline void check_launch(const char* op) { check_cuda(cudaGetLastError(), op); }

/// The element at p, of a dtype that W holds exactly: W float takes float32 and less, double every float,
/// int64_t the signed and uint64_t the unsigned integers and bool, Complex the complex numbers.
template <class W>
__device__ __forceinline__ W load(const void* p, DType dtype) {
  if constexpr (is_complex_v<W>) {
    if (dtype == complex64) return W(*static_cast<const Complex64*>(p));
    return *static_cast<const Complex*>(p);
  } else if constexpr (std::is_floating_point_v<W>) {
    if constexpr (sizeof(W) == 8)
      if (dtype == float64) return *static_cast<const double*>(p);
    if (dtype == float32) return W(*static_cast<const float*>(p));
    if (dtype == float16) return W(__half2float(*static_cast<const __half*>(p)));
    return W(__bfloat162float(*static_cast<const __nv_bfloat16*>(p)));
  } else if constexpr (std::is_signed_v<W>) {
    if (dtype == int64) return *static_cast<const std::int64_t*>(p);
    if (dtype == int32) return *static_cast<const std::int32_t*>(p);
    if (dtype == int16) return *static_cast<const std::int16_t*>(p);
    return *static_cast<const std::int8_t*>(p);
  } else {
    if (dtype == uint64) return *static_cast<const std::uint64_t*>(p);
    if (dtype == uint32) return *static_cast<const std::uint32_t*>(p);
    if (dtype == uint16) return *static_cast<const std::uint16_t*>(p);
    return *static_cast<const std::uint8_t*>(p);  // bool, too
  }
}

/// value at p as dtype, which is one that load<W> takes; of W bool, bool or uint8. Rounds to nearest even.
template <class W>
__device__ __forceinline__ void store(void* p, DType dtype, W value) {
  if constexpr (std::is_same_v<W, bool>) {
    *static_cast<std::uint8_t*>(p) = value;
  } else if constexpr (is_complex_v<W>) {
    if (dtype == complex64) *static_cast<Complex64*>(p) = Complex64(value);
    else *static_cast<Complex*>(p) = value;
  } else if constexpr (std::is_floating_point_v<W>) {
    if constexpr (sizeof(W) == 8)
      if (dtype == float64) {
        *static_cast<double*>(p) = value;
        return;
      }
    if (dtype == float32) *static_cast<float*>(p) = float(value);
    else if (dtype == float16) *static_cast<__half*>(p) = __float2half_rn(float(value));
    else *static_cast<__nv_bfloat16*>(p) = __float2bfloat16_rn(float(value));
  } else {
    switch (item_size(dtype)) {  // two's complement: the sign does not matter
      case 8: *static_cast<std::uint64_t*>(p) = std::uint64_t(value); break;
      case 4: *static_cast<std::uint32_t*>(p) = std::uint32_t(value); break;
      case 2: *static_cast<std::uint16_t*>(p) = std::uint16_t(value); break;
      default:
        *static_cast<std::uint8_t*>(p) = dtype == boolean ? std::uint8_t(value != 0) : std::uint8_t(value);
    }
  }
}

/// f.operator()<W>() with the type that holds dtype exactly, as load() takes it.
template <class F>
void visit_wide(DType dtype, F&& f) {
  if (is_complex(dtype)) f.template operator()<Complex>();
  else if (is_floating_point(dtype)) f.template operator()<double>();
  else if (is_signed(dtype)) f.template operator()<std::int64_t>();
  else f.template operator()<std::uint64_t>();
}

}  // namespace taper::cuda
