// Results that the threads of a block have in common.
#pragma once

#include "cuda/device.cuh"

namespace taper::cuda {

/// Combines the values of the threads with the same threadIdx.x % across, as a tree; all of them get the
/// result. All threads of the block must call it; shared holds block_threads values and may be used again at
/// once.
template <class T, class Combine>
__device__ __forceinline__ T combine_block(T value, T* shared, int across, const Combine& combine) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int half = block_threads / across / 2; half > 0; half /= 2) {
    if (int(threadIdx.x) < half * across)
      shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + half * across]);
    __syncthreads();
  }
  const T result = shared[threadIdx.x % across];
  __syncthreads();
  return result;
}

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
/// The larger one; NaN if either is.
struct Larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a != a || a > b ? a : b;
  }
};

/// The type in which rows of a dtype are computed.
template <class F>
void visit_row_type(DType dtype, F&& f) {
  if (dtype == float64) f.template operator()<double>();
  else f.template operator()<float>();
}

}  // namespace taper::cuda
