// The stand-in libcublas: handles and the GEMM family.
#include <cublas_v2.h>

#include "../ptx/access_checker.h"
#include "../runtime/runtime.h"
#include "cublas_context.h"
#include "gemm.h"

using namespace device_sim;

namespace {

cudaDataType scale_type(cublasComputeType_t compute, cudaDataType data) {
  const bool is_complex = data == CUDA_C_32F || data == CUDA_C_64F;
  switch (compute) {
    case CUBLAS_COMPUTE_64F:
    case CUBLAS_COMPUTE_64F_PEDANTIC: return is_complex ? CUDA_C_64F : CUDA_R_64F;
    case CUBLAS_COMPUTE_16F:
    case CUBLAS_COMPUTE_16F_PEDANTIC: return CUDA_R_16F;
    case CUBLAS_COMPUTE_32I:
    case CUBLAS_COMPUTE_32I_PEDANTIC: return CUDA_R_32I;
    default: return is_complex ? CUDA_C_32F : CUDA_R_32F;
  }
}

// What all functions below come down to.
struct Call {
  cublasHandle_t handle;
  cublasOperation_t op_a, op_b;
  int64_t m, n, k;
  const void* alpha;
  const void* a;
  cudaDataType a_type;
  int64_t lda, a_stride;
  const void* b;
  cudaDataType b_type;
  int64_t ldb, b_stride;
  const void* beta;
  void* c;
  cudaDataType c_type;
  int64_t ldc, c_stride, batch;
  cublasComputeType_t compute;
};

cublasStatus_t product_of(const Call& call, Product& p) {
  if (!call.handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (call.handle->pointers != CUBLAS_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!call.alpha || !call.beta) return CUBLAS_STATUS_INVALID_VALUE;
  const bool plain_a = call.op_a == CUBLAS_OP_N, plain_b = call.op_b == CUBLAS_OP_N;
  p.a = {const_cast<void*>(call.a),
         call.a_type,
         plain_a ? call.m : call.k,
         plain_a ? call.k : call.m,
         call.lda,
         false,
         call.a_stride};
  p.b = {const_cast<void*>(call.b),
         call.b_type,
         plain_b ? call.k : call.n,
         plain_b ? call.n : call.k,
         call.ldb,
         false,
         call.b_stride};
  p.c = p.d = {call.c, call.c_type, call.m, call.n, call.ldc, false, call.c_stride};
  p.op_a = call.op_a, p.op_b = call.op_b, p.batch = call.batch;
  p.tf32 = allows_tf32(call.compute);
  p.reduced = (call.c_type == CUDA_R_16F || call.c_type == CUDA_R_16BF) &&
              !(call.handle->math & CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
  const cudaDataType scale = scale_type(call.compute, call.c_type);
  read_scale(p.alpha, call.alpha, scale);
  read_scale(p.beta, call.beta, scale);
  return check(p);
}

cublasStatus_t run(const Call& call) {
  Product product;
  if (const cublasStatus_t status = product_of(call, product)) return status;
  return enqueue(product, call.handle->stream);
}

// The pointers of a batch lie in device memory and are read when the product runs.
cublasStatus_t run_pointers(const Call& call, const void* const* a, const void* const* b, void* const* c) {
  Product product;
  if (const cublasStatus_t status = product_of(call, product)) return status;
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const cudaError_t error = runtime.enqueue(call.handle->stream, [=] {
    const size_t bytes = size_t(call.batch) * sizeof(void*);
    for (const void* list :
         {static_cast<const void*>(a), static_cast<const void*>(b), static_cast<const void*>(c)})
      AccessChecker::instance().access_range(list, bytes, false, "the pointers of a batch of products");
    const DeviceMemory& memory = DeviceMemory::instance();
    for (int64_t k = 0; k < call.batch; ++k) {
      Product member = product;
      member.batch = 1;
      member.a.data = const_cast<void*>(memory.host_view(a)[k]),
      member.b.data = const_cast<void*>(memory.host_view(b)[k]);
      member.c.data = member.d.data = memory.host_view(c)[k];
      run_now(member);
    }
  });
  return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  *stream = handle->stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  *mode = handle->math;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  handle->pointers = mode;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
  *mode = handle->pointers;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t, cublasAtomicsMode_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* workspace, size_t bytes) {
  return is_device_memory(workspace, bytes) || bytes == 0 ? CUBLAS_STATUS_SUCCESS
                                                          : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* version) {
  *version = CUBLAS_VERSION;
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_ERROR";
}
const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "success" : "a call was refused";
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a,
                                          cublasOperation_t op_b, int m, int n, int k, const void* alpha,
                                          const void* a, cudaDataType a_type, int lda, long long a_stride,
                                          const void* b, cudaDataType b_type, int ldb, long long b_stride,
                                          const void* beta, void* c, cudaDataType c_type, int ldc,
                                          long long c_stride, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t) {
  return run({handle, op_a,   op_b, m,        n,    k, alpha,  a,   a_type,   lda,   a_stride,
              b,      b_type, ldb,  b_stride, beta, c, c_type, ldc, c_stride, batch, compute});
}
cublasStatus_t cublasGemmStridedBatchedEx_64(
    cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int64_t m, int64_t n, int64_t k,
    const void* alpha, const void* a, cudaDataType a_type, int64_t lda, long long a_stride, const void* b,
    cudaDataType b_type, int64_t ldb, long long b_stride, const void* beta, void* c, cudaDataType c_type,
    int64_t ldc, long long c_stride, int64_t batch, cublasComputeType_t compute, cublasGemmAlgo_t) {
  return run({handle, op_a,   op_b, m,        n,    k, alpha,  a,   a_type,   lda,   a_stride,
              b,      b_type, ldb,  b_stride, beta, c, c_type, ldc, c_stride, batch, compute});
}
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType a_type, int lda,
                            const void* b, cudaDataType b_type, int ldb, const void* beta, void* c,
                            cudaDataType c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  return run({handle, op_a,   op_b, m, n,    k, alpha,  a,   a_type, lda, 0,
              b,      b_type, ldb,  0, beta, c, c_type, ldc, 0,      1,   compute});
}
cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                               int64_t m, int64_t n, int64_t k, const void* alpha, const void* a,
                               cudaDataType a_type, int64_t lda, const void* b, cudaDataType b_type,
                               int64_t ldb, const void* beta, void* c, cudaDataType c_type, int64_t ldc,
                               cublasComputeType_t compute, cublasGemmAlgo_t) {
  return run({handle, op_a,   op_b, m, n,    k, alpha,  a,   a_type, lda, 0,
              b,      b_type, ldb,  0, beta, c, c_type, ldc, 0,      1,   compute});
}
cublasStatus_t cublasGemmBatchedEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                   int m, int n, int k, const void* alpha, const void* const a[],
                                   cudaDataType a_type, int lda, const void* const b[], cudaDataType b_type,
                                   int ldb, const void* beta, void* const c[], cudaDataType c_type, int ldc,
                                   int batch, cublasComputeType_t compute, cublasGemmAlgo_t) {
  return run_pointers({handle,  op_a,   op_b, m, n,    k,       alpha,  nullptr, a_type, lda,   0,
                       nullptr, b_type, ldb,  0, beta, nullptr, c_type, ldc,     0,      batch, compute},
                      a, b, c);
}

#define DEVICE_SIM_GEMM(letter, T, type, compute)                                                       \
  cublasStatus_t cublas##letter##gemm_v2(                                                               \
      cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,       \
      const T* alpha, const T* a, int lda, const T* b, int ldb, const T* beta, T* c, int ldc) {         \
    return run({handle, op_a, op_b, m, n,    k, alpha, a,   type, lda, 0,                               \
                b,      type, ldb,  0, beta, c, type,  ldc, 0,    1,   compute});                       \
  }                                                                                                     \
  cublasStatus_t cublas##letter##gemmStridedBatched(                                                    \
      cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,       \
      const T* alpha, const T* a, int lda, long long a_stride, const T* b, int ldb, long long b_stride, \
      const T* beta, T* c, int ldc, long long c_stride, int batch) {                                    \
    return run({handle, op_a, op_b, m,        n,    k, alpha, a,   type,     lda,   a_stride,           \
                b,      type, ldb,  b_stride, beta, c, type,  ldc, c_stride, batch, compute});          \
  }
DEVICE_SIM_GEMM(S, float, CUDA_R_32F, CUBLAS_COMPUTE_32F)
DEVICE_SIM_GEMM(D, double, CUDA_R_64F, CUBLAS_COMPUTE_64F)
DEVICE_SIM_GEMM(C, cuComplex, CUDA_C_32F, CUBLAS_COMPUTE_32F)
DEVICE_SIM_GEMM(Z, cuDoubleComplex, CUDA_C_64F, CUBLAS_COMPUTE_64F)
#undef DEVICE_SIM_GEMM

}  // extern "C"
