// The stand-in libcusolver: what the backend calls of its 64-bit interface, in complex128 by Eigen or plain
// loops, with all that is touched checked.
#include <cusolverDn.h>

#include <Eigen/Dense>
#include <algorithm>
#include <functional>
#include <vector>

#include "../cublas/lu.h"
#include "../ptx/access_checker.h"
#include "../runtime/runtime.h"

struct cusolverDnContext {
  cudaStream_t stream = nullptr;
};
struct cusolverDnParams {};

using namespace device_sim;

namespace {

using Matrix = Eigen::MatrixXcd;
using Vector = Eigen::VectorXcd;

cudaDataType real_type(cudaDataType type) {
  return type == CUDA_C_32F ? CUDA_R_32F : type == CUDA_C_64F ? CUDA_R_64F : type;
}

/// A matrix on the device, column-major.
struct Stored {
  MatrixOperand place;
  const char* what;

  Stored(const void* data, cudaDataType type, int64_t rows, int64_t columns, int64_t leading,
         const char* name)
      : place{const_cast<void*>(data), type, rows, columns, leading}, what(name) {}

  Matrix read() const {
    touch_matrix(place, static_cast<const char*>(place.data), false, what);
    const void* const from = DeviceMemory::instance().host_view(place.data);
    Matrix values(place.rows, place.columns);
    for (int64_t j = 0; j < place.columns; ++j)
      for (int64_t i = 0; i < place.rows; ++i)
        values(i, j) = load_number(from, place.type, i + j * place.leading);
    return values;
  }
  void write(const Matrix& values) const {
    touch_matrix(place, static_cast<const char*>(place.data), true, what);
    void* const to = DeviceMemory::instance().host_view(place.data);
    for (int64_t j = 0; j < place.columns; ++j)
      for (int64_t i = 0; i < place.rows; ++i)
        store_number(to, place.type, i + j * place.leading, values(i, j));
  }
};

/// What every call has: its types, its working memory and where it reports. Sizes of working memory are such
/// that those of other calls do not fit by chance.
struct Call {
  cusolverDnHandle_t handle;
  cudaDataType type, compute;
  size_t needed;
  void* device;
  size_t device_bytes;
  const void* host;
  size_t host_bytes;
  int* info;
};

size_t device_need(int64_t m, int64_t n, cudaDataType type) {
  return size_t((m + n + 7) * element_bytes(type));
}
constexpr size_t host_need = 24;

cusolverStatus_t sizes(int64_t m, int64_t n, int64_t leading, cudaDataType type, cudaDataType compute,
                       size_t* device, size_t* host) {
  if (m < 0 || n < 0 || leading < std::max<int64_t>(m, 1)) return CUSOLVER_STATUS_INVALID_VALUE;
  if (type != compute ||
      (type != CUDA_R_32F && type != CUDA_R_64F && type != CUDA_C_32F && type != CUDA_C_64F))
    return CUSOLVER_STATUS_INVALID_VALUE;
  *device = device_need(m, n, type);
  *host = host_need;
  return CUSOLVER_STATUS_SUCCESS;
}

void report(int* info, int value) {
  AccessChecker::instance().access_range(info, sizeof(int), true, "info of a factorization");
  *DeviceMemory::instance().host_view(info) = value;
}

cusolverStatus_t enqueue(const Call& call, const std::function<int()>& work) {
  if (!call.handle) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (call.type != call.compute || call.device_bytes < call.needed || !call.info ||
      (call.host ? call.host_bytes : 0) < host_need)
    return CUSOLVER_STATUS_INVALID_VALUE;
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const cudaError_t error = runtime.enqueue(call.handle->stream, [call, work] {
    AccessChecker::instance().access_range(call.device, call.needed, true,
                                           "the working memory of a factorization");
    report(call.info, work());
  });
  return error ? CUSOLVER_STATUS_EXECUTION_FAILED : CUSOLVER_STATUS_SUCCESS;
}

// A = U^H U from the upper triangle, or L L^H from the lower one; the other triangle stays as it is.
int factor_cholesky(Matrix& a, bool upper) {
  const int64_t n = a.rows();
  Matrix l = upper ? Matrix(a.adjoint()) : a;
  int info = 0;
  for (int64_t j = 0; j < n && info == 0; ++j) {
    double rest = l(j, j).real();
    for (int64_t k = 0; k < j; ++k) rest -= std::norm(l(j, k));
    if (rest <= 0) info = int(j + 1);
    l(j, j) = std::sqrt(rest);
    for (int64_t i = j + 1; i < n && info == 0; ++i) {
      for (int64_t k = 0; k < j; ++k) l(i, j) -= l(i, k) * std::conj(l(j, k));
      l(i, j) /= l(j, j);
    }
  }
  if (upper) a.triangularView<Eigen::Upper>() = l.adjoint();
  else a.triangularView<Eigen::Lower>() = l;
  return info;
}

// The pointers of a batch lie in device memory and are read when the factorization runs.
cusolverStatus_t cholesky_batch(cusolverDnHandle_t handle, cublasFillMode_t fill, int n, cudaDataType type,
                                void* const* a, int lda, int* info, int batch) {
  if (!handle) return CUSOLVER_STATUS_NOT_INITIALIZED;
  if (n < 0 || lda < std::max(n, 1) || batch < 0 || !info) return CUSOLVER_STATUS_INVALID_VALUE;
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const cudaError_t error = runtime.enqueue(handle->stream, [=] {
    const DeviceMemory& memory = DeviceMemory::instance();
    AccessChecker::instance().access_range(a, size_t(batch) * sizeof(void*), false,
                                           "the pointers of a batch");
    for (int k = 0; k < batch; ++k) {
      const Stored stored(memory.host_view(a)[k], type, n, n, lda, "a matrix of potrfBatched");
      Matrix values = stored.read();
      report(info + k, factor_cholesky(values, fill == CUBLAS_FILL_MODE_UPPER));
      stored.write(values);
    }
  });
  return error ? CUSOLVER_STATUS_EXECUTION_FAILED : CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t orthogonal(cusolverDnHandle_t handle, cudaDataType type, int m, int n, int k, void* a,
                            int lda, const void* tau, void* work, int length, int* info) {
  if (m < 0 || n < 0 || n > m || k < 0 || k > n || lda < std::max(m, 1)) return CUSOLVER_STATUS_INVALID_VALUE;
  const size_t needed = device_need(m, n, type);
  const size_t bytes = size_t(length) * size_t(element_bytes(type));
  const Call call{handle, type, type, needed, work, bytes, &handle, host_need, info};
  return enqueue(call, [=] {
    const Matrix vectors = Stored(a, type, m, k, lda, "the vectors of orgqr").read();
    const Vector factors = Stored(tau, type, k, 1, std::max(k, 1), "tau of orgqr").read();
    Matrix q = Matrix::Identity(m, n);
    for (int j = k - 1; j >= 0; --j) {
      Vector v = vectors.col(j);
      v.head(j).setZero();
      v(j) = 1;
      q -= factors(j) * v * (v.adjoint() * q);
    }
    Stored(a, type, m, n, lda, "the result of orgqr").write(q);
    return 0;
  });
}

}  // namespace

extern "C" {

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  *handle = new cusolverDnContext;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  delete handle;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t* parameters) {
  *parameters = new cusolverDnParams;
  return CUSOLVER_STATUS_SUCCESS;
}
cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t parameters) {
  delete parameters;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXgetrf_bufferSize(cusolverDnHandle_t, cusolverDnParams_t, int64_t m, int64_t n,
                                             cudaDataType type, const void*, int64_t lda,
                                             cudaDataType compute, size_t* device, size_t* host) {
  return sizes(m, n, lda, type, compute, device, host);
}
cusolverStatus_t cusolverDnXgetrf(cusolverDnHandle_t handle, cusolverDnParams_t, int64_t m, int64_t n,
                                  cudaDataType type, void* a, int64_t lda, int64_t* pivots,
                                  cudaDataType compute, void* device, size_t device_bytes, void* host,
                                  size_t host_bytes, int* info) {
  if (m < 0 || n < 0 || lda < std::max<int64_t>(m, 1)) return CUSOLVER_STATUS_INVALID_VALUE;
  return enqueue(
      {handle, type, compute, device_need(m, n, type), device, device_bytes, host, host_bytes, info}, [=] {
        std::vector<int64_t> found;
        const int result = factor_lu({a, type, m, n, lda}, found);
        AccessChecker::instance().access_range(pivots, found.size() * 8, true, "the pivots of getrf");
        std::copy(found.begin(), found.end(), DeviceMemory::instance().host_view(pivots));
        return result;
      });
}

cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t, cusolverDnParams_t, cublasFillMode_t,
                                             int64_t n, cudaDataType type, const void*, int64_t lda,
                                             cudaDataType compute, size_t* device, size_t* host) {
  return sizes(n, n, lda, type, compute, device, host);
}
cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t handle, cusolverDnParams_t, cublasFillMode_t fill,
                                  int64_t n, cudaDataType type, void* a, int64_t lda, cudaDataType compute,
                                  void* device, size_t device_bytes, void* host, size_t host_bytes,
                                  int* info) {
  if (n < 0 || lda < std::max<int64_t>(n, 1)) return CUSOLVER_STATUS_INVALID_VALUE;
  return enqueue(
      {handle, type, compute, device_need(n, n, type), device, device_bytes, host, host_bytes, info}, [=] {
        const Stored stored(a, type, n, n, lda, "the matrix of potrf");
        Matrix values = stored.read();
        const int result = factor_cholesky(values, fill == CUBLAS_FILL_MODE_UPPER);
        stored.write(values);
        return result;
      });
}

#define DEVICE_SIM_POTRF(letter, T, type)                                                                    \
  cusolverStatus_t cusolverDn##letter##potrfBatched(cusolverDnHandle_t handle, cublasFillMode_t fill, int n, \
                                                    T* a[], int lda, int* info, int batch) {                 \
    return cholesky_batch(handle, fill, n, type, reinterpret_cast<void* const*>(a), lda, info, batch);       \
  }
DEVICE_SIM_POTRF(S, float, CUDA_R_32F)
DEVICE_SIM_POTRF(D, double, CUDA_R_64F)
DEVICE_SIM_POTRF(C, cuComplex, CUDA_C_32F)
DEVICE_SIM_POTRF(Z, cuDoubleComplex, CUDA_C_64F)
#undef DEVICE_SIM_POTRF

cusolverStatus_t cusolverDnXgeqrf_bufferSize(cusolverDnHandle_t, cusolverDnParams_t, int64_t m, int64_t n,
                                             cudaDataType type, const void*, int64_t lda, cudaDataType,
                                             const void*, cudaDataType compute, size_t* device,
                                             size_t* host) {
  return sizes(m, n, lda, type, compute, device, host);
}
cusolverStatus_t cusolverDnXgeqrf(cusolverDnHandle_t handle, cusolverDnParams_t, int64_t m, int64_t n,
                                  cudaDataType type, void* a, int64_t lda, cudaDataType tau_type, void* tau,
                                  cudaDataType compute, void* device, size_t device_bytes, void* host,
                                  size_t host_bytes, int* info) {
  if (m < 0 || n < 0 || lda < std::max<int64_t>(m, 1) || tau_type != type)
    return CUSOLVER_STATUS_INVALID_VALUE;
  return enqueue(
      {handle, type, compute, device_need(m, n, type), device, device_bytes, host, host_bytes, info}, [=] {
        const Stored stored(a, type, m, n, lda, "the matrix of geqrf");
        const Eigen::HouseholderQR<Matrix> factors(stored.read());
        stored.write(factors.matrixQR());
        const int64_t size = std::min(m, n);
        Stored(tau, type, size, 1, size, "tau of geqrf").write(factors.hCoeffs().conjugate());
        return 0;
      });
}

cusolverStatus_t cusolverDnXsyevd_bufferSize(cusolverDnHandle_t, cusolverDnParams_t, cusolverEigMode_t,
                                             cublasFillMode_t, int64_t n, cudaDataType type, const void*,
                                             int64_t lda, cudaDataType, const void*, cudaDataType compute,
                                             size_t* device, size_t* host) {
  return sizes(n, n, lda, type, compute, device, host);
}
cusolverStatus_t cusolverDnXsyevd(cusolverDnHandle_t handle, cusolverDnParams_t, cusolverEigMode_t mode,
                                  cublasFillMode_t fill, int64_t n, cudaDataType type, void* a, int64_t lda,
                                  cudaDataType values_type, void* values, cudaDataType compute, void* device,
                                  size_t device_bytes, void* host, size_t host_bytes, int* info) {
  if (n < 0 || lda < std::max<int64_t>(n, 1) || values_type != real_type(type))
    return CUSOLVER_STATUS_INVALID_VALUE;
  return enqueue(
      {handle, type, compute, device_need(n, n, type), device, device_bytes, host, host_bytes, info}, [=] {
        const Stored stored(a, type, n, n, lda, "the matrix of syevd");
        Matrix x = stored.read();
        if (fill == CUBLAS_FILL_MODE_UPPER) x = x.adjoint().eval();
        if (!x.triangularView<Eigen::Lower>().toDenseMatrix().allFinite()) x.setIdentity();
        const Eigen::SelfAdjointEigenSolver<Matrix> solver(x);
        Stored(values, values_type, n, 1, n, "the values of syevd")
            .write(solver.eigenvalues().cast<Number>());
        if (mode == CUSOLVER_EIG_MODE_VECTOR) stored.write(solver.eigenvectors());
        else stored.write(Matrix::Zero(n, n));
        return solver.info() == Eigen::Success ? 0 : int(n);
      });
}

cusolverStatus_t cusolverDnXgesvd_bufferSize(cusolverDnHandle_t, cusolverDnParams_t, signed char, signed char,
                                             int64_t m, int64_t n, cudaDataType type, const void*,
                                             int64_t lda, cudaDataType, const void*, cudaDataType,
                                             const void*, int64_t, cudaDataType, const void*, int64_t,
                                             cudaDataType compute, size_t* device, size_t* host) {
  if (m < n) return CUSOLVER_STATUS_INVALID_VALUE;
  return sizes(m, n, lda, type, compute, device, host);
}
cusolverStatus_t cusolverDnXgesvd(cusolverDnHandle_t handle, cusolverDnParams_t, signed char job_u,
                                  signed char job_v, int64_t m, int64_t n, cudaDataType type, void* a,
                                  int64_t lda, cudaDataType s_type, void* s, cudaDataType u_type, void* u,
                                  int64_t ldu, cudaDataType v_type, void* vt, int64_t ldvt,
                                  cudaDataType compute, void* device, size_t device_bytes, void* host,
                                  size_t host_bytes, int* info) {
  if (m < n || n < 0 || lda < std::max<int64_t>(m, 1) || s_type != real_type(type) || u_type != type ||
      v_type != type || job_u != job_v)
    return CUSOLVER_STATUS_INVALID_VALUE;
  const bool vectors = job_u != 'N';
  if (vectors && (ldu < m || ldvt < n || !u || !vt)) return CUSOLVER_STATUS_INVALID_VALUE;
  if (vectors && job_u != 'A' && job_u != 'S') return CUSOLVER_STATUS_INVALID_VALUE;
  return enqueue(
      {handle, type, compute, device_need(m, n, type), device, device_bytes, host, host_bytes, info}, [=] {
        const Stored stored(a, type, m, n, lda, "the matrix of gesvd");
        Matrix x = stored.read();
        if (!x.allFinite()) x.setZero();
        const Eigen::JacobiSVD<Matrix, Eigen::FullPivHouseholderQRPreconditioner> solver(
            x, Eigen::ComputeFullU | Eigen::ComputeFullV);
        Stored(s, s_type, n, 1, n, "the values of gesvd").write(solver.singularValues().cast<Number>());
        stored.write(Matrix::Zero(m, n));
        if (!vectors) return 0;
        const int64_t rank = job_u == 'A' ? m : n;
        Stored(u, type, m, rank, ldu, "the left vectors of gesvd").write(solver.matrixU().leftCols(rank));
        Stored(vt, type, n, n, ldvt, "the right vectors of gesvd").write(solver.matrixV().adjoint());
        return 0;
      });
}

#define DEVICE_SIM_ORTHOGONAL(name, T, type)                                                           \
  cusolverStatus_t cusolverDn##name##_bufferSize(cusolverDnHandle_t, int m, int n, int, const T*, int, \
                                                 const T*, int* length) {                              \
    *length = int(device_need(m, n, type)) / int(sizeof(T));                                           \
    return CUSOLVER_STATUS_SUCCESS;                                                                    \
  }                                                                                                    \
  cusolverStatus_t cusolverDn##name(cusolverDnHandle_t handle, int m, int n, int k, T* a, int lda,     \
                                    const T* tau, T* work, int length, int* info) {                    \
    return orthogonal(handle, type, m, n, k, a, lda, tau, work, length, info);                         \
  }
DEVICE_SIM_ORTHOGONAL(Sorgqr, float, CUDA_R_32F)
DEVICE_SIM_ORTHOGONAL(Dorgqr, double, CUDA_R_64F)
DEVICE_SIM_ORTHOGONAL(Cungqr, cuComplex, CUDA_C_32F)
DEVICE_SIM_ORTHOGONAL(Zungqr, cuDoubleComplex, CUDA_C_64F)
#undef DEVICE_SIM_ORTHOGONAL

}  // extern "C"
