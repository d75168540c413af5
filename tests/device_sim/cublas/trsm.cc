// Triangular solves of the stand-in cuBLAS: X op(A) = alpha B without transposition, which is what is called.
#include <cublas_v2.h>

#include <vector>

#include "../ptx/access_checker.h"
#include "../runtime/runtime.h"
#include "cublas_context.h"
#include "gemm.h"

using namespace device_sim;

namespace {

struct Solve {
  bool upper, unit;
  Number alpha;
  MatrixOperand a, b;
};

// Only the triangle is read, without its diagonal where that counts as ones.
void solve(const Solve& s) {
  const int64_t n = s.a.columns, width = element_bytes(s.a.type), inner = s.unit ? 1 : 0;
  const char* const a = static_cast<const char*>(s.a.data);
  for (int64_t j = 0; j < n; ++j) {
    const int64_t first = s.upper ? 0 : j + inner, end = s.upper ? j + 1 - inner : n;
    if (end > first)
      AccessChecker::instance().access_range(a + (first + j * s.a.leading) * width,
                                             size_t((end - first) * width), false, "the triangle of a solve");
  }
  touch_matrix(s.b, static_cast<const char*>(s.b.data), true, "the right side of a solve");
  const DeviceMemory& memory = DeviceMemory::instance();
  const void* const triangle = memory.host_view(s.a.data);
  void* const x = memory.host_view(s.b.data);
  const auto at = [&](int64_t i, int64_t j) { return load_number(triangle, s.a.type, i + j * s.a.leading); };
  for (int64_t row = 0; row < s.b.rows; ++row) {
    std::vector<Number> values;
    values.resize(size_t(n));
    for (int64_t step = 0; step < n; ++step) {
      const int64_t j = s.upper ? step : n - 1 - step;
      Number value = s.alpha * load_number(x, s.b.type, row + j * s.b.leading);
      for (int64_t i = s.upper ? 0 : j + 1; i < (s.upper ? j : n); ++i) value -= values[size_t(i)] * at(i, j);
      values[size_t(j)] = s.unit ? value : value / at(j, j);
    }
    for (int64_t j = 0; j < n; ++j) store_number(x, s.b.type, row + j * s.b.leading, values[size_t(j)]);
  }
}

struct Call {
  cublasHandle_t handle;
  cublasSideMode_t side;
  cublasFillMode_t fill;
  cublasOperation_t op;
  cublasDiagType_t diagonal;
  int m, n;
  const void* alpha;
  cudaDataType type;
  const void* a;
  int lda;
  void* b;
  int ldb;
};

cublasStatus_t solve_of(const Call& call, Solve& s) {
  if (!call.handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (call.side != CUBLAS_SIDE_RIGHT || call.op != CUBLAS_OP_N) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (call.m < 0 || call.n < 0 || call.lda < std::max(1, call.n) || call.ldb < std::max(1, call.m) ||
      !call.alpha)
    return CUBLAS_STATUS_INVALID_VALUE;
  s.upper = call.fill == CUBLAS_FILL_MODE_UPPER;
  s.unit = call.diagonal == CUBLAS_DIAG_UNIT;
  s.alpha = load_number(call.alpha, call.type, 0);
  s.a = {const_cast<void*>(call.a), call.type, call.n, call.n, call.lda};
  s.b = {call.b, call.type, call.m, call.n, call.ldb};
  return CUBLAS_STATUS_SUCCESS;
}

template <class Run>
cublasStatus_t enqueue_run(cublasHandle_t handle, Run run) {
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  return runtime.enqueue(handle->stream, run) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t run(const Call& call) {
  Solve s{};
  if (const cublasStatus_t status = solve_of(call, s)) return status;
  return enqueue_run(call.handle, [s] { solve(s); });
}

// The pointers of a batch lie in device memory and are read when the solve runs.
cublasStatus_t run_batch(const Call& call, const void* const* a, void* const* b, int batch) {
  Solve s{};
  if (const cublasStatus_t status = solve_of(call, s)) return status;
  if (batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  return enqueue_run(call.handle, [=] {
    const DeviceMemory& memory = DeviceMemory::instance();
    for (const void* list : {static_cast<const void*>(a), static_cast<const void*>(b)})
      AccessChecker::instance().access_range(list, size_t(batch) * sizeof(void*), false,
                                             "the pointers of a batch of solves");
    for (int k = 0; k < batch; ++k) {
      Solve member = s;
      member.a.data = const_cast<void*>(memory.host_view(a)[k]);
      member.b.data = memory.host_view(b)[k];
      solve(member);
    }
  });
}

}  // namespace

extern "C" {

#define DEVICE_SIM_TRSM(letter, T, type)                                                                  \
  cublasStatus_t cublas##letter##trsm_v2(                                                                 \
      cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t fill, cublasOperation_t op,          \
      cublasDiagType_t diagonal, int m, int n, const T* alpha, const T* a, int lda, T* b, int ldb) {      \
    return run({handle, side, fill, op, diagonal, m, n, alpha, type, a, lda, b, ldb});                    \
  }                                                                                                       \
  cublasStatus_t cublas##letter##trsmBatched(                                                             \
      cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t fill, cublasOperation_t op,          \
      cublasDiagType_t diagonal, int m, int n, const T* alpha, const T* const a[], int lda, T* const b[], \
      int ldb, int batch) {                                                                               \
    return run_batch({handle, side, fill, op, diagonal, m, n, alpha, type, nullptr, lda, nullptr, ldb},   \
                     reinterpret_cast<const void* const*>(a), reinterpret_cast<void* const*>(b), batch);  \
  }
DEVICE_SIM_TRSM(S, float, CUDA_R_32F)
DEVICE_SIM_TRSM(D, double, CUDA_R_64F)
DEVICE_SIM_TRSM(C, cuComplex, CUDA_C_32F)
DEVICE_SIM_TRSM(Z, cuDoubleComplex, CUDA_C_64F)
#undef DEVICE_SIM_TRSM

}  // extern "C"
