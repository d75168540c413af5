// cuBLAS handles.
#pragma once

#include <cublas_v2.h>

#include <cstdint>

namespace taper::cuda {

/// The handle of the calling thread for the device in use, on its current stream.
cublasHandle_t cublas_in_use();

/// Throws Error naming op and the call, unless it went well.
void check_cublas(cublasStatus_t status, const char* op, const char* call);

/// value as int. Throws ShapeError naming op where it does not fit: many calls take no int64.
int narrow_size(std::int64_t value, const char* op);

}  // namespace taper::cuda
