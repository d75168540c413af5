// cuSOLVER's functions and handles.
#include "cuda/cusolver.h"

#include <algorithm>
#include <memory>

#include "taper/error.h"

namespace taper::cuda {

namespace {

/// One of each thread and device: its calls are not for several threads at once.
class Handle {
 public:
  Handle() {
    check_cusolver(cusolver().cusolverDnCreate(&handle_), "linalg");
    check_cusolver(cusolver().cusolverDnCreateParams(&parameters_), "linalg");
  }
  ~Handle() {
    cusolver().cusolverDnDestroyParams(parameters_);
    cusolver().cusolverDnDestroy(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  CusolverHandle get() const { return {handle_, parameters_}; }

 private:
  cusolverDnHandle_t handle_ = nullptr;
  cusolverDnParams_t parameters_ = nullptr;
};

}  // namespace

#define TAPER_TEXT_OF(number) #number
#define TAPER_TEXT(number) TAPER_TEXT_OF(number)
Cusolver::Cusolver() : library("libcusolver.so." TAPER_TEXT(CUSOLVER_VER_MAJOR), "linalg") {}

const Cusolver& cusolver() {
  static const Cusolver functions;
  return functions;
}

CusolverHandle cusolver_in_use() {
  thread_local std::vector<std::unique_ptr<Handle>> handles;
  const auto device = std::size_t(runtime().device_in_use());
  if (handles.size() <= device) handles.resize(device + 1);
  if (!handles[device]) handles[device] = std::make_unique<Handle>();
  const CusolverHandle result = handles[device]->get();
  check_cusolver(cusolver().cusolverDnSetStream(result.handle, runtime().stream_in_use()), "linalg");
  return result;
}

void check_cusolver(cusolverStatus_t status, const char* op) {
  check<Error>(status == CUSOLVER_STATUS_SUCCESS, op, ": cuSOLVER refused a call with status ", int(status));
}

cudaDataType cuda_type(DType dtype) {
  switch (dtype) {
    case float32: return CUDA_R_32F;
    case float64: return CUDA_R_64F;
    case complex64: return CUDA_C_32F;
    case complex128: return CUDA_C_64F;
    default: fail<DTypeError>("linear algebra: no kernel for ", dtype);
  }
}

Workspace::Workspace(std::size_t device_bytes, std::size_t host_bytes)
    : device(std::int64_t(std::max<std::size_t>(device_bytes, 1))), host(host_bytes) {}

}  // namespace taper::cuda
