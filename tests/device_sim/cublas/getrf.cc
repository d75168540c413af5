// LU factorizations of batches of the stand-in cuBLAS.
#include <cublas_v2.h>

#include <algorithm>

#include "../ptx/access_checker.h"
#include "../runtime/runtime.h"
#include "cublas_context.h"
#include "lu.h"

using namespace device_sim;

namespace {

// The pointers of a batch lie in device memory and are read when the factorization runs.
cublasStatus_t run(cublasHandle_t handle, cudaDataType type, int n, void* const* a, int lda, int* pivots,
                   int* info, int batch) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!pivots) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (n < 0 || lda < std::max(1, n) || batch < 0 || !info) return CUBLAS_STATUS_INVALID_VALUE;
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const cudaError_t error = runtime.enqueue(handle->stream, [=] {
    AccessChecker& checker = AccessChecker::instance();
    const DeviceMemory& memory = DeviceMemory::instance();
    checker.access_range(a, size_t(batch) * sizeof(void*), false, "the pointers of a batch");
    checker.access_range(pivots, size_t(batch) * size_t(n) * sizeof(int), true, "the pivots of a batch");
    checker.access_range(info, size_t(batch) * sizeof(int), true, "info of a batch");
    std::vector<int64_t> found;
    for (int k = 0; k < batch; ++k) {
      memory.host_view(info)[k] = factor_lu({memory.host_view(a)[k], type, n, n, lda}, found);
      std::copy(found.begin(), found.end(), memory.host_view(pivots) + int64_t(k) * n);
    }
  });
  return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

#define DEVICE_SIM_GETRF(letter, T, type)                                                          \
  cublasStatus_t cublas##letter##getrfBatched(cublasHandle_t handle, int n, T* const a[], int lda, \
                                              int* pivots, int* info, int batch) {                 \
    return run(handle, type, n, reinterpret_cast<void* const*>(a), lda, pivots, info, batch);      \
  }
DEVICE_SIM_GETRF(S, float, CUDA_R_32F)
DEVICE_SIM_GETRF(D, double, CUDA_R_64F)
DEVICE_SIM_GETRF(C, cuComplex, CUDA_C_32F)
DEVICE_SIM_GETRF(Z, cuDoubleComplex, CUDA_C_64F)
#undef DEVICE_SIM_GETRF

}  // extern "C"
