// QR, eigenvalues and singular values by cuSOLVER; what it lacks goes through main memory.
#include <algorithm>
#include <vector>

#include "cuda/cublas.h"
#include "cuda/cusolver.h"
#include "cuda/elementwise.h"
#include "cuda/linalg.h"
#include "cuda/matrix_kernels.h"

namespace taper::cuda {

namespace {

/// Householder's factors of column-major matrices [m, n], `step` elements apart; tau [min(m, n)] of each.
void factor_qr(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, std::int64_t step,
               void* tau) {
  const std::int64_t size = std::min(m, n);
  const auto [handle, parameters] = cusolver_in_use();
  const cudaDataType type = cuda_type(dtype);
  std::size_t device_bytes = 0, host_bytes = 0;
  check_cusolver(cusolver().cusolverDnXgeqrf_bufferSize(handle, parameters, m, n, type, a, m, type, tau, type,
                                                        &device_bytes, &host_bytes),
                 "qr");
  Workspace work(device_bytes, host_bytes);
  const Scratch info(4);
  for (std::int64_t k = 0; k < batch; ++k)
    check_cusolver(
        cusolver().cusolverDnXgeqrf(handle, parameters, m, n, type, matrix_at(a, k, step, dtype), m, type,
                                    matrix_at(tau, k, size, dtype), type, work.device.data(), device_bytes,
                                    work.host.data(), host_bytes, info.data<int>()),
        "qr");
}

/// Q [m, columns] in the place of its Householder vectors, the first `size` columns of a.
struct OrthogonalCall {
  int m, columns, size;
  std::int64_t batch, step;
  void* a;
  void* tau;

  template <class Number, class SizeOf, class Generate>
  void run(SizeOf size_of, Generate generate) const {
    const cusolverDnHandle_t handle = cusolver_in_use().handle;
    Number* const first = static_cast<Number*>(a);
    Number* const factors = static_cast<Number*>(tau);
    int length = 0;
    check_cusolver(size_of(handle, m, columns, size, first, m, factors, &length), "qr");
    const Scratch work(std::max<std::int64_t>(length, 1) * std::int64_t(sizeof(Number))), info(4);
    for (std::int64_t k = 0; k < batch; ++k)
      check_cusolver(generate(handle, m, columns, size, first + k * step, m, factors + k * size,
                              work.data<Number>(), length, info.data<int>()),
                     "qr");
  }
  void run(DType dtype) const {
    const Cusolver& calls = cusolver();
    switch (dtype) {
      case float32: return run<float>(calls.cusolverDnSorgqr_bufferSize, calls.cusolverDnSorgqr);
      case float64: return run<double>(calls.cusolverDnDorgqr_bufferSize, calls.cusolverDnDorgqr);
      case complex64: return run<cuComplex>(calls.cusolverDnCungqr_bufferSize, calls.cusolverDnCungqr);
      default: run<cuDoubleComplex>(calls.cusolverDnZungqr_bufferSize, calls.cusolverDnZungqr);
    }
  }
};

}  // namespace

void qr(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t columns, const void* a,
        void* q, void* r) {
  if (batch == 0) return;
  if (m == 0 || n == 0) {
    if (q) set_identity(dtype, batch, m, columns, q);
    return;
  }
  const std::int64_t size = std::min(m, n), step = m * std::max(n, columns), bytes = item_size(dtype);
  const Scratch matrices(batch * step * bytes), tau(batch * size * bytes);
  to_column_major(dtype, batch, m, n, a, m * n, matrices.data(), step);
  factor_qr(dtype, batch, m, n, matrices.data(), step, tau.data());
  to_row_major(dtype, batch, columns, n, matrices.data(), step, m, r, columns * n);
  keep_triangle(dtype, batch, columns, n, r, true);
  if (!q) return;
  OrthogonalCall{
      narrow_size(m, "qr"), narrow_size(columns, "qr"), int(size), batch, step, matrices.data(), tau.data()}
      .run(dtype);
  to_row_major(dtype, batch, m, columns, matrices.data(), step, m, q, m * columns);
}

void geqrf(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, void* a, void* tau) {
  if (m == 0 || n == 0 || batch == 0) return;
  const std::int64_t step = m * n;
  const Scratch matrices(batch * step * item_size(dtype));
  to_column_major(dtype, batch, m, n, a, step, matrices.data(), step);
  factor_qr(dtype, batch, m, n, matrices.data(), step, tau);
  to_row_major(dtype, batch, m, n, matrices.data(), step, m, a, step);
}

void eigh(DType dtype, std::int64_t batch, std::int64_t n, const void* a, bool upper, void* values,
          void* vectors, std::int32_t* info) {
  if (n == 0 || batch == 0) return clear_info(info, batch);
  const std::int64_t step = n * n;
  const Scratch matrices(batch * step * item_size(dtype));
  to_column_major(dtype, batch, n, n, a, step, matrices.data(), step);
  const auto [handle, parameters] = cusolver_in_use();
  const cudaDataType type = cuda_type(dtype), real = cuda_type(real_dtype(dtype));
  const cusolverEigMode_t mode = vectors ? CUSOLVER_EIG_MODE_VECTOR : CUSOLVER_EIG_MODE_NOVECTOR;
  const cublasFillMode_t fill = upper ? CUBLAS_FILL_MODE_UPPER : CUBLAS_FILL_MODE_LOWER;
  std::size_t device_bytes = 0, host_bytes = 0;
  check_cusolver(
      cusolver().cusolverDnXsyevd_bufferSize(handle, parameters, mode, fill, n, type, matrices.data(), n,
                                             real, values, type, &device_bytes, &host_bytes),
      "eigh");
  Workspace work(device_bytes, host_bytes);
  for (std::int64_t k = 0; k < batch; ++k)
    check_cusolver(cusolver().cusolverDnXsyevd(
                       handle, parameters, mode, fill, n, type, matrix_at(matrices.data(), k, step, dtype), n,
                       real, matrix_at(values, k, n, real_dtype(dtype)), type, work.device.data(),
                       device_bytes, work.host.data(), host_bytes, info + k),
                   "eigh");
  if (vectors) to_row_major(dtype, batch, n, n, matrices.data(), step, n, vectors, step);
  mark_not_finite(dtype, batch, n, n, a, upper ? Part::upper : Part::lower, info, std::int32_t(n + 1));
}

namespace {

/// Column-major matrices [m, n] with m >= n, their singular values, and column-major u [m, rank] and vt
/// [rank, n], `rank` being n or that of full matrices.
struct SingularValues {
  DType dtype;
  std::int64_t batch, m, n;
  signed char job;  // 'N' without vectors, 'S' with n of them, 'A' with all
  void *a, *s, *u, *vt;

  void run(std::int32_t* info) const {
    const auto [handle, parameters] = cusolver_in_use();
    const cudaDataType type = cuda_type(dtype), real = cuda_type(real_dtype(dtype));
    const std::int64_t rank = job == 'A' ? m : n;
    std::size_t device_bytes = 0, host_bytes = 0;
    check_cusolver(
        cusolver().cusolverDnXgesvd_bufferSize(handle, parameters, job, job, m, n, type, a, m, real, s, type,
                                               u, m, type, vt, n, type, &device_bytes, &host_bytes),
        "svd");
    Workspace work(device_bytes, host_bytes);
    for (std::int64_t k = 0; k < batch; ++k)
      check_cusolver(
          cusolver().cusolverDnXgesvd(
              handle, parameters, job, job, m, n, type, matrix_at(a, k, m * n, dtype), m, real,
              matrix_at(s, k, n, real_dtype(dtype)), type, u ? matrix_at(u, k, m * rank, dtype) : nullptr, m,
              type, vt ? matrix_at(vt, k, n * n, dtype) : nullptr, n, type, work.device.data(), device_bytes,
              work.host.data(), host_bytes, info + k),
          "svd");
  }
};

}  // namespace

// cuSOLVER takes tall matrices only. A wide row-major A is, column-major, the tall A^T = conj(V) S U^T: its
// left vectors are, row-major, V^H, and its right ones U.
void svd(DType dtype, std::int64_t batch, std::int64_t m, std::int64_t n, const void* a, bool full, void* u,
         void* s, void* vh, std::int32_t* info) {
  const std::int64_t size = std::min(m, n), rank_u = full ? m : size, rank_v = full ? n : size;
  if (batch == 0) return;
  if (size == 0) {  // one of both may be there, the other without an element
    if (u) set_identity(dtype, batch, m, rank_u, u);
    if (vh) set_identity(dtype, batch, rank_v, n, vh);
    return clear_info(info, batch);
  }
  const std::int64_t bytes = item_size(dtype), step = m * n;
  const signed char job = !u ? 'N' : full ? 'A' : 'S';
  const Scratch matrices(batch * step * bytes);
  if (m < n) {
    const std::int64_t stride = 1;
    copy(Shape{batch * step}, {const_cast<void*>(a), dtype, &stride}, {matrices.data(), dtype, &stride});
    SingularValues{dtype, batch, n, m, job, matrices.data(), s, vh, u}.run(info);
  } else {
    to_column_major(dtype, batch, m, n, a, step, matrices.data(), step);
    const Scratch left(u ? batch * m * rank_u * bytes : 1), right(u ? batch * n * n * bytes : 1);
    SingularValues{
        dtype, batch, m, n, job, matrices.data(), s, u ? left.data() : nullptr, u ? right.data() : nullptr}
        .run(info);
    if (u) to_row_major(dtype, batch, m, rank_u, left.data(), m * rank_u, m, u, m * rank_u);
    if (u) to_row_major(dtype, batch, n, n, right.data(), n * n, n, vh, n * n);
  }
  mark_not_finite(dtype, batch, m, n, a, Part::all, info, std::int32_t(size + 1));
}

namespace {

/// Device memory copied to main memory, which waits for it, or to be copied from there.
class InMainMemory {
 public:
  explicit InMainMemory(std::int64_t bytes) : bytes_(std::size_t(bytes)) {}
  InMainMemory(const void* device, std::int64_t bytes) : bytes_(std::size_t(bytes)) {
    move(bytes_.data(), device, cudaMemcpyDeviceToHost);
  }
  void copy_to(void* device) { move(device, bytes_.data(), cudaMemcpyHostToDevice); }
  template <class T = void>
  T* data() {
    return reinterpret_cast<T*>(bytes_.data());
  }

 private:
  void move(void* to, const void* from, cudaMemcpyKind kind) {
    if (bytes_.empty()) return;
    const cudaStream_t stream = runtime().stream_in_use();
    check_cuda(cudaMemcpyAsync(to, from, bytes_.size(), kind, stream), "linalg: copying");
    check_cuda(cudaStreamSynchronize(stream), "linalg: waiting for a copy");
  }
  std::vector<unsigned char> bytes_;
};

}  // namespace

void eig(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* values, void* vectors,
         std::int32_t* info) {
  const std::int64_t complex_bytes = item_size(complex_dtype(dtype));
  InMainMemory matrices(a, batch * n * n * item_size(dtype)), numbers(batch * n * complex_bytes),
      columns(vectors ? batch * n * n * complex_bytes : 0), infos(batch * 4);
  cpu::eig(dtype, batch, n, matrices.data(), numbers.data(), vectors ? columns.data() : nullptr,
           infos.data<std::int32_t>());
  numbers.copy_to(values);
  columns.copy_to(vectors);
  infos.copy_to(info);
}

void matrix_exp(DType dtype, std::int64_t batch, std::int64_t n, const void* a, void* y) {
  const std::int64_t bytes = batch * n * n * item_size(dtype);
  InMainMemory matrices(a, bytes), powers(bytes);
  cpu::matrix_exp(dtype, batch, n, matrices.data(), powers.data());
  powers.copy_to(y);
}

}  // namespace taper::cuda
