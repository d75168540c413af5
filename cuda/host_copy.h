// Single values that the host needs before it can go on.
#pragma once

#include "cuda/runtime.h"

namespace taper::cuda {

/// The value at an address of the device in use, once its current stream has written it.
template <class T>
T to_host(const T* value, const char* op) {
  T result;
  const cudaStream_t stream = runtime().stream_in_use();
  check_cuda(cudaMemcpyAsync(&result, value, sizeof(T), cudaMemcpyDeviceToHost, stream), op);
  check_cuda(cudaStreamSynchronize(stream), op);
  return result;
}

}  // namespace taper::cuda
