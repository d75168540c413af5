// cuBLAS handles. What is called: cublasCreate cublasDestroy cublasSetStream.
#include "cuda/cublas.h"

#include <memory>
#include <vector>

#include "cuda/runtime.h"
#include "taper/error.h"

namespace taper::cuda {

namespace {

/// One of each thread and device: its calls are not for several threads at once.
class Handle {
 public:
  Handle() { check_cublas(cublasCreate(&handle_), "matmul", "cublasCreate"); }
  ~Handle() { cublasDestroy(handle_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  cublasHandle_t get() const { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

}  // namespace

cublasHandle_t cublas_in_use() {
  thread_local std::vector<std::unique_ptr<Handle>> handles;
  const auto device = std::size_t(runtime().device_in_use());
  if (handles.size() <= device) handles.resize(device + 1);
  if (!handles[device]) handles[device] = std::make_unique<Handle>();
  check_cublas(cublasSetStream(handles[device]->get(), runtime().stream_in_use()), "matmul",
               "cublasSetStream");
  return handles[device]->get();
}

void check_cublas(cublasStatus_t status, const char* op, const char* call) {
  check<Error>(status == CUBLAS_STATUS_SUCCESS, op, ": cuBLAS: ", call, " failed with status ", int(status));
}

int narrow_size(std::int64_t value, const char* op) {
  check<ShapeError>(value <= INT32_MAX, op, ": a size or stride of ", value,
                    " is beyond what CUDA's library takes, ", INT32_MAX);
  return int(value);
}

}  // namespace taper::cuda
