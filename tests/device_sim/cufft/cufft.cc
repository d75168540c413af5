// The stand-in libcufft: dense batches of complex transforms, by the definition, in double.
#include <cufft.h>

#include <complex>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>
#include <vector>

#include "../ptx/access_checker.h"
#include "../runtime/runtime.h"

using namespace device_sim;

namespace {

struct Plan {
  long long n = 0, batch = 0;
  cufftType type = CUFFT_C2C;
  bool automatic = true, has_work = false;
  size_t work_bytes = 0;
  void* work = nullptr;
  cudaStream_t stream = nullptr;
};

struct Plans {
  std::mutex mutex;
  std::map<cufftHandle, std::shared_ptr<Plan>> all;
  cufftHandle next = 1;
};
Plans& plans() {
  static Plans existing;
  return existing;
}

std::shared_ptr<Plan> find(cufftHandle handle) {
  const std::lock_guard lock(plans().mutex);
  const auto found = plans().all.find(handle);
  return found == plans().all.end() ? nullptr : found->second;
}

template <class T>
void transform(const Plan& plan, const std::complex<T>* x, std::complex<T>* y, int direction) {
  const size_t n = size_t(plan.n), bytes = size_t(plan.batch) * n * sizeof(*x);
  AccessChecker& checker = AccessChecker::instance();
  checker.access_range(x, bytes, false, "the input of a Fourier transform");
  checker.access_range(plan.work, plan.work_bytes, true, "the working memory of a Fourier transform");
  checker.access_range(y, bytes, true, "the result of a Fourier transform");
  const DeviceMemory& memory = DeviceMemory::instance();
  x = memory.host_view(x);
  y = memory.host_view(y);
  std::vector<std::complex<double>> roots, result;
  for (size_t k = 0; k < n; ++k)
    roots.push_back(std::polar(1.0, direction * 2 * std::numbers::pi * double(k) / double(n)));
  for (long long row = 0; row < plan.batch; ++row, x += n, y += n) {
    result.assign(n, 0.0);
    for (size_t k = 0; k < n; ++k)
      for (size_t j = 0; j < n; ++j) result[k] += std::complex<double>(x[j]) * roots[j * k % n];
    for (size_t k = 0; k < n; ++k) y[k] = std::complex<T>(result[k]);
  }
}

template <class T>
cufftResult execute(cufftHandle handle, cufftType type, void* x, void* y, int direction) {
  const std::shared_ptr<Plan> plan = find(handle);
  if (!plan || plan->n == 0) return CUFFT_INVALID_PLAN;
  if (plan->type != type || (direction != CUFFT_FORWARD && direction != CUFFT_INVERSE))
    return CUFFT_INVALID_VALUE;
  if (!plan->automatic && !plan->has_work) return CUFFT_INVALID_VALUE;
  Runtime& runtime = Runtime::instance();
  const Lock lock(runtime.mutex);
  const auto run = [plan = *plan, x, y, direction] {
    transform(plan, static_cast<const std::complex<T>*>(x), static_cast<std::complex<T>*>(y), direction);
  };
  return runtime.enqueue(plan->stream, run) ? CUFFT_EXEC_FAILED : CUFFT_SUCCESS;
}

}  // namespace

extern "C" {

cufftResult cufftCreate(cufftHandle* handle) {
  const std::lock_guard lock(plans().mutex);
  *handle = plans().next++;
  plans().all[*handle] = std::make_shared<Plan>();
  return CUFFT_SUCCESS;
}
cufftResult cufftDestroy(cufftHandle handle) {
  const std::lock_guard lock(plans().mutex);
  return plans().all.erase(handle) ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN;
}
cufftResult cufftSetAutoAllocation(cufftHandle handle, int automatic) {
  const std::shared_ptr<Plan> plan = find(handle);
  if (!plan) return CUFFT_INVALID_PLAN;
  plan->automatic = automatic != 0;
  return CUFFT_SUCCESS;
}
cufftResult cufftMakePlanMany64(cufftHandle handle, int rank, long long* n, long long* input_embedding,
                                long long, long long, long long* output_embedding, long long, long long,
                                cufftType type, long long batch, size_t* work_bytes) {
  const std::shared_ptr<Plan> plan = find(handle);
  if (!plan) return CUFFT_INVALID_PLAN;
  if (plan->n != 0 || rank != 1 || input_embedding || output_embedding || n[0] < 1 || batch < 1)
    return CUFFT_INVALID_VALUE;
  if (type != CUFFT_C2C && type != CUFFT_Z2Z) return CUFFT_INVALID_TYPE;
  if (plan->automatic) return CUFFT_NOT_SUPPORTED;
  plan->n = n[0], plan->batch = batch, plan->type = type;
  *work_bytes = plan->work_bytes = size_t(n[0] * batch) * (type == CUFFT_C2C ? 8 : 16);
  return CUFFT_SUCCESS;
}
cufftResult cufftSetStream(cufftHandle handle, cudaStream_t stream) {
  const std::shared_ptr<Plan> plan = find(handle);
  if (!plan) return CUFFT_INVALID_PLAN;
  plan->stream = stream;
  return CUFFT_SUCCESS;
}
cufftResult cufftSetWorkArea(cufftHandle handle, void* work) {
  const std::shared_ptr<Plan> plan = find(handle);
  if (!plan) return CUFFT_INVALID_PLAN;
  plan->work = work, plan->has_work = true;
  return CUFFT_SUCCESS;
}
cufftResult cufftExecC2C(cufftHandle handle, cufftComplex* x, cufftComplex* y, int direction) {
  return execute<float>(handle, CUFFT_C2C, x, y, direction);
}
cufftResult cufftExecZ2Z(cufftHandle handle, cufftDoubleComplex* x, cufftDoubleComplex* y, int direction) {
  return execute<double>(handle, CUFFT_Z2Z, x, y, direction);
}

}  // extern "C"
