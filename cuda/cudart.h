// The CUDA runtime as this library uses it, and how its errors become exceptions.
//
// All that is called, which a stand-in must offer:
//   devices   cudaGetDeviceCount cudaSetDevice cudaGetDeviceProperties cudaDeviceSynchronize cudaMemGetInfo
//             cudaDeviceCanAccessPeer cudaGetLastError cudaGetErrorName cudaGetErrorString
//   memory    cudaDeviceGetDefaultMemPool cudaMemPoolSetAttribute cudaMemPoolGetAttribute cudaMemPoolTrimTo
//             cudaMemPoolSetAccess cudaMallocAsync cudaFreeAsync cudaHostAlloc cudaFreeHost cudaMemcpyAsync
//             cudaMemcpyPeerAsync cudaMemsetAsync
//   streams   cudaStreamCreateWithPriority cudaStreamDestroy cudaStreamSynchronize cudaStreamQuery
//             cudaStreamWaitEvent cudaEventCreateWithFlags cudaEventDestroy cudaEventRecord cudaEventQuery
//             cudaEventSynchronize cudaEventElapsedTime
//   launches  cudaLaunchKernel, and what nvcc generates for <<<>>> and for registering kernels
#pragma once

#include <cuda_runtime_api.h>

#include "taper/error.h"

namespace taper::cuda {

/// Throws Error naming what was done, unless it went well. Does not wait for the device.
inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();  // the next call shall not report this error again
  fail<Error>("CUDA: ", what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
}

}  // namespace taper::cuda
