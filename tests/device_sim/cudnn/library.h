// What the functions of the stand-in cuDNN share: its handle, numbers in memory, errors and the log.
#pragma once

#include <cuda_runtime_api.h>
#include <cudnn_backend.h>

#include <cstdint>
#include <stdexcept>
#include <string>

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace device_sim {

/// What the library answers with an error; and what it says that it does not have.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Of the calling thread.
std::string& last_error();

template <class F>
cudnnStatus_t guarded(F&& f) {
  try {
    f();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refused& error) {
    last_error() = error.what();
    return CUDNN_STATUS_BAD_PARAM;
  } catch (const Unsupported& error) {
    last_error() = error.what();
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
}

int64_t bytes_of(cudnnDataType_t type);
/// The at-th number of an array in main memory.
double load(const void* data, cudnnDataType_t type, int64_t at);
void store(void* data, cudnnDataType_t type, int64_t at, double value);

/// Adds a line to the file that DEVICE_SIM_CUDNN_LOG names.
void log_execution(const std::string& kind, int engine);

}  // namespace device_sim
