// Elements of floating arrays by their number. Without item_size, whose table would be an array of each
// thread.
#pragma once

#include "cuda/device.cuh"

namespace taper::cuda::kernels {

/// Element i of an array of a floating dtype that T (float or double) holds exactly.
template <class T>
__device__ __forceinline__ T element(const void* data, DType dtype, int64_t i) {
  if constexpr (sizeof(T) == 8)
    if (dtype == float64) return static_cast<const double*>(data)[i];
  if (dtype == float32) return T(static_cast<const float*>(data)[i]);
  if (dtype == float16) return T(__half2float(static_cast<const __half*>(data)[i]));
  return T(__bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]));
}

/// element, or a value where there is no array.
template <class T>
__device__ __forceinline__ T element_or(const void* data, DType dtype, int64_t i, T otherwise) {
  return data ? element<T>(data, dtype, i) : otherwise;
}

/// Rounds to nearest even.
template <class T>
__device__ __forceinline__ void put(void* data, DType dtype, int64_t i, T value) {
  if constexpr (sizeof(T) == 8)
    if (dtype == float64) {
      static_cast<double*>(data)[i] = value;
      return;
    }
  if (dtype == float32) static_cast<float*>(data)[i] = float(value);
  else if (dtype == float16) static_cast<__half*>(data)[i] = __float2half_rn(float(value));
  else static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16_rn(float(value));
}

}  // namespace taper::cuda::kernels
