// cuSOLVER, opened when the first factorization needs it, and the types of its calls.
#pragma once

#include <cusolverDn.h>

#include <cstdint>
#include <vector>

#include "cuda/library.h"
#include "cuda/runtime.h"
#include "taper/dtype.h"

namespace taper::cuda {

/// What is called of cuSOLVER.
struct Cusolver {
  Library library;
  Cusolver();

#define TAPER_FUNCTION(name) decltype(&::name) name = library.function<decltype(&::name)>(#name)
  TAPER_FUNCTION(cusolverDnCreate);
  TAPER_FUNCTION(cusolverDnDestroy);
  TAPER_FUNCTION(cusolverDnSetStream);
  TAPER_FUNCTION(cusolverDnCreateParams);
  TAPER_FUNCTION(cusolverDnDestroyParams);
  TAPER_FUNCTION(cusolverDnXgetrf_bufferSize);
  TAPER_FUNCTION(cusolverDnXgetrf);
  TAPER_FUNCTION(cusolverDnXpotrf_bufferSize);
  TAPER_FUNCTION(cusolverDnXpotrf);
  TAPER_FUNCTION(cusolverDnSpotrfBatched);
  TAPER_FUNCTION(cusolverDnDpotrfBatched);
  TAPER_FUNCTION(cusolverDnCpotrfBatched);
  TAPER_FUNCTION(cusolverDnZpotrfBatched);
  TAPER_FUNCTION(cusolverDnXgeqrf_bufferSize);
  TAPER_FUNCTION(cusolverDnXgeqrf);
  TAPER_FUNCTION(cusolverDnXsyevd_bufferSize);
  TAPER_FUNCTION(cusolverDnXsyevd);
  TAPER_FUNCTION(cusolverDnXgesvd_bufferSize);
  TAPER_FUNCTION(cusolverDnXgesvd);
  TAPER_FUNCTION(cusolverDnSorgqr_bufferSize);
  TAPER_FUNCTION(cusolverDnSorgqr);
  TAPER_FUNCTION(cusolverDnDorgqr_bufferSize);
  TAPER_FUNCTION(cusolverDnDorgqr);
  TAPER_FUNCTION(cusolverDnCungqr_bufferSize);
  TAPER_FUNCTION(cusolverDnCungqr);
  TAPER_FUNCTION(cusolverDnZungqr_bufferSize);
  TAPER_FUNCTION(cusolverDnZungqr);
#undef TAPER_FUNCTION
};

/// Throws DeviceError where the library is missing.
const Cusolver& cusolver();

/// Of the calling thread for the device in use, on its current stream.
struct CusolverHandle {
  cusolverDnHandle_t handle;
  cusolverDnParams_t parameters;
};
CusolverHandle cusolver_in_use();

/// Throws Error naming op, unless the call went well.
void check_cusolver(cusolverStatus_t status, const char* op);

/// float32, float64, complex64 or complex128; throws DTypeError for others.
cudaDataType cuda_type(DType dtype);

/// The working memory of a call, on both sides.
struct Workspace {
  Scratch device;
  std::vector<unsigned char> host;
  Workspace(std::size_t device_bytes, std::size_t host_bytes);
};

}  // namespace taper::cuda
