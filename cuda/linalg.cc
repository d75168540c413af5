// LU and Cholesky factorizations by cuSOLVER and, batches of small matrices, by cuBLAS; triangular solves by
// cuBLAS. What is called of cuBLAS: cublas[SDCZ]trsm, trsmBatched, getrfBatched.
#include "cuda/linalg.h"

#include <algorithm>
#include <complex>

#include "cuda/cublas.h"
#include "cuda/cusolver.h"
#include "cuda/elementwise.h"
#include "cuda/matrix_kernels.h"

namespace taper::cuda {

namespace {

/// Solves X op(T) = B for a stored triangle T, column-major: the same call for each type.
struct TriangularCall {
  cublasFillMode_t fill;
  cublasDiagType_t diagonal;
  int rows, n;  // of B
  std::int64_t batch;
  const void* a;
  void* b;

#define TAPER_TRSM(letter, Number)                                                                           \
  void run_##letter(cublasHandle_t handle, Number one) const {                                               \
    check_cublas(cublas##letter##trsm(handle, CUBLAS_SIDE_RIGHT, fill, CUBLAS_OP_N, diagonal, rows, n, &one, \
                                      static_cast<const Number*>(a), n, static_cast<Number*>(b), rows),      \
                 "linalg", "trsm");                                                                          \
  }                                                                                                          \
  void run_batched_##letter(cublasHandle_t handle, Number one, const Scratch& lists) const {                 \
    check_cublas(                                                                                            \
        cublas##letter##trsmBatched(handle, CUBLAS_SIDE_RIGHT, fill, CUBLAS_OP_N, diagonal, rows, n, &one,   \
                                    lists.data<Number*>(), n, lists.data<Number*>() + batch, rows,           \
                                    narrow_size(batch, "linalg")),                                           \
        "linalg", "trsmBatched");                                                                            \
  }
  TAPER_TRSM(S, float)
  TAPER_TRSM(D, double)
  TAPER_TRSM(C, cuComplex)
  TAPER_TRSM(Z, cuDoubleComplex)
#undef TAPER_TRSM

  void run(DType dtype) const {
    const cublasHandle_t handle = cublas_in_use();
    switch (dtype) {
      case float32: return run_S(handle, 1);
      case float64: return run_D(handle, 1);
      case complex64: return run_C(handle, {1, 0});
      default: run_Z(handle, {1, 0});
    }
  }
  void run_batched(DType dtype) const {
    const std::int64_t bytes = item_size(dtype);
    const Scratch lists(2 * batch * std::int64_t(sizeof(void*)));
    list_addresses(lists.data<void*>(), a, std::int64_t(n) * n * bytes, batch);
    list_addresses(lists.data<void*>() + batch, b, std::int64_t(n) * rows * bytes, batch);
    const cublasHandle_t handle = cublas_in_use();
    switch (dtype) {
      case float32: return run_batched_S(handle, 1, lists);
      case float64: return run_batched_D(handle, 1, lists);
      case complex64: return run_batched_C(handle, {1, 0}, lists);
      default: run_batched_Z(handle, {1, 0}, lists);
    }
  }
};

/// Whether one call factors all matrices, each by few threads, rather than one call each.
bool in_one_call(std::int64_t batch, std::int64_t n) {
  constexpr std::int64_t largest = 128;
  return batch > 1 && batch <= INT32_MAX && n <= largest;
}

/// Column-major square matrices.
void factor_lu_batch(DType dtype, int batch, int n, void* a, std::int32_t* pivots, std::int32_t* info) {
  const Scratch list(batch * std::int64_t(sizeof(void*)));
  list_addresses(list.data<void*>(), a, std::int64_t(n) * n * item_size(dtype), batch);
  const cublasHandle_t handle = cublas_in_use();
  const auto run = [&]<class Number>(auto call) {
    check_cublas(call(handle, n, list.data<Number*>(), n, pivots, info, batch), "lu_factor", "getrfBatched");
  };
  switch (dtype) {
    case float32: return run.operator()<float>(cublasSgetrfBatched);
    case float64: return run.operator()<double>(cublasDgetrfBatched);
    case complex64: return run.operator()<cuComplex>(cublasCgetrfBatched);
    default: run.operator()<cuDoubleComplex>(cublasZgetrfBatched);
  }
}

void factor_cholesky_batch(DType dtype, int batch, int n, void* a, std::int32_t* info) {
  const Scratch list(batch * std::int64_t(sizeof(void*)));
  list_addresses(list.data<void*>(), a, std::int64_t(n) * n * item_size(dtype), batch);
  const cusolverDnHandle_t handle = cusolver_in_use().handle;
  const auto run = [&]<class Number>(auto call) {
    check_cusolver(call(handle, CUBLAS_FILL_MODE_UPPER, n, list.data<Number*>(), n, info, batch), "cholesky");
  };
  const Cusolver& calls = cusolver();
  switch (dtype) {
    case float32: return run.operator()<float>(calls.cusolverDnSpotrfBatched);
    case float64: return run.operator()<double>(calls.cusolverDnDpotrfBatched);
    case complex64: return run.operator()<cuComplex>(calls.cusolverDnCpotrfBatched);
    default: run.operator()<cuDoubleComplex>(calls.cusolverDnZpotrfBatched);
  }
}

void factor_lu_each(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a,
                    std::int32_t* pivots, std::int32_t* info) {
  const std::int64_t size = std::min(m, n);
  const Scratch wide_pivots(batch * size * 8);
  const auto [handle, parameters] = cusolver_in_use();
  const cudaDataType type = cuda_type(dtype);
  std::size_t device_bytes = 0, host_bytes = 0;
  check_cusolver(cusolver().cusolverDnXgetrf_bufferSize(handle, parameters, m, n, type, a, m, type,
                                                        &device_bytes, &host_bytes),
                 "lu_factor");
  Workspace work(device_bytes, host_bytes);
  for (std::int64_t k = 0; k < batch; ++k)
    check_cusolver(
        cusolver().cusolverDnXgetrf(handle, parameters, m, n, type, matrix_at(a, k, m * n, dtype), m,
                                    wide_pivots.data<std::int64_t>() + k * size, type, work.device.data(),
                                    device_bytes, work.host.data(), host_bytes, info + k),
        "lu_factor");
  const std::int64_t stride = 1;
  copy(Shape{batch * size}, {wide_pivots.data(), int64, &stride}, {pivots, int32, &stride});
}

void factor_cholesky_each(DType dtype, std::int64_t batch, std::int64_t n, void* a, std::int32_t* info) {
  const auto [handle, parameters] = cusolver_in_use();
  const cudaDataType type = cuda_type(dtype);
  std::size_t device_bytes = 0, host_bytes = 0;
  check_cusolver(cusolver().cusolverDnXpotrf_bufferSize(handle, parameters, CUBLAS_FILL_MODE_UPPER, n, type,
                                                        a, n, type, &device_bytes, &host_bytes),
                 "cholesky");
  Workspace work(device_bytes, host_bytes);
  for (std::int64_t k = 0; k < batch; ++k)
    check_cusolver(cusolver().cusolverDnXpotrf(handle, parameters, CUBLAS_FILL_MODE_UPPER, n, type,
                                               matrix_at(a, k, n * n, dtype), n, type, work.device.data(),
                                               device_bytes, work.host.data(), host_bytes, info + k),
                   "cholesky");
}

}  // namespace

// In column-major terms a row-major matrix is its transpose: B^T becomes X^T with X^T A^T = B^T, and the
// lower triangle is the upper one.
void solve_triangular(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* a,
                      void* b, bool upper, bool unit) {
  if (n == 0 || columns == 0 || batch == 0) return;
  const TriangularCall call{upper ? CUBLAS_FILL_MODE_LOWER : CUBLAS_FILL_MODE_UPPER,
                            unit ? CUBLAS_DIAG_UNIT : CUBLAS_DIAG_NON_UNIT,
                            narrow_size(columns, "linalg"),
                            narrow_size(n, "linalg"),
                            batch,
                            a,
                            b};
  if (batch == 1) call.run(dtype);
  else call.run_batched(dtype);
}

void lu_factor(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, std::int32_t* pivots,
               std::int32_t* info) {
  const std::int64_t step = m * n;
  if (step == 0 || batch == 0) return clear_info(info, batch);
  const Scratch matrices(batch * step * item_size(dtype));
  to_column_major(dtype, batch, m, n, a, step, matrices.data(), step);
  if (m == n && in_one_call(batch, n))
    factor_lu_batch(dtype, int(batch), int(n), matrices.data(), pivots, info);
  else factor_lu_each(dtype, batch, m, n, matrices.data(), pivots, info);
  to_row_major(dtype, batch, m, n, matrices.data(), step, m, a, step);
}

void lu_solve(DType dtype, std::int64_t batch, std::int64_t n, std::int64_t columns, const void* lu,
              const std::int32_t* pivots, void* b) {
  if (n == 0 || columns == 0 || batch == 0) return;
  exchange_rows(dtype, batch, n, columns, pivots, b);
  solve_triangular(dtype, batch, n, columns, lu, b, false, true);
  solve_triangular(dtype, batch, n, columns, lu, b, true, false);
}

// Column-major, a row-major A is A^T = U^H U, from its upper triangle, which lies where A's lower one does:
// U is L^T.
void cholesky(DType dtype, std::int64_t batch, std::int64_t n, void* a, std::int32_t* info) {
  if (n == 0 || batch == 0) return clear_info(info, batch);
  if (in_one_call(batch, n)) factor_cholesky_batch(dtype, int(batch), int(n), a, info);
  else factor_cholesky_each(dtype, batch, n, a, info);
  keep_triangle(dtype, batch, n, n, a, false);
  check_positive_diagonal(dtype, batch, n, a, info);
}

}  // namespace taper::cuda
