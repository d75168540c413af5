// Handles of cuDNN for each thread and device, and plans, made when what they are for is first met.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_execution.h"

#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "cuda/runtime.h"
#include "taper/backends.h"

namespace taper::cuda {

namespace {

using std::int64_t;

/// Null where cuDNN cannot run, as with a driver that is too old for it: Taper's own kernels do the work
/// then.
class Handle {
 public:
  Handle() {
    if (cudnn()->create(&handle_) != CUDNN_STATUS_SUCCESS) handle_ = nullptr;
  }
  ~Handle() {
    if (handle_) cudnn()->destroy(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

/// How long the second of two runs takes, in milliseconds. Waits for the device.
double time_of(const std::function<void()>& run) {
  const int device = runtime().device_in_use();
  const Stream stream = runtime().current_stream(device);
  const std::shared_ptr<void> start = runtime().make_event(device, true),
                              end = runtime().make_event(device, true);
  run();
  runtime().record_event(start.get(), stream);
  run();
  runtime().record_event(end.get(), stream);
  runtime().wait_for(end.get());
  return runtime().milliseconds(start.get(), end.get());
}

}  // namespace

bool is_recording() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(runtime().stream_in_use(), &status),
             "asking whether a stream is recorded");
  return status != cudaStreamCaptureStatusNone;
}

cudnnHandle_t cudnn_in_use() {
  if (!backends().cudnn.enabled || !cudnn()) return nullptr;
  thread_local std::vector<std::unique_ptr<Handle>> handles;
  const auto device = std::size_t(runtime().device_in_use());
  if (handles.size() <= device) handles.resize(device + 1);
  if (!handles[device]) {
    if (is_recording()) return nullptr;
    handles[device] = std::make_unique<Handle>();
  }
  const cudnnHandle_t handle = handles[device]->get();
  if (handle) check_cudnn(cudnn()->set_stream(handle, runtime().stream_in_use()), "setting the stream");
  return handle;
}

void execute(cudnnHandle_t handle, const CudnnPlan& plan, std::span<const PlanOperand> operands,
             const char* op) {
  const Scratch workspace(plan.workspace);
  std::vector<int64_t> names;
  std::vector<void*> addresses;
  for (const PlanOperand& operand : operands) {
    names.push_back(operand.name);
    addresses.push_back(const_cast<void*>(operand.address));
  }
  void* const work = workspace.data();
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, names);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, int64_t(addresses.size()),
           addresses.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, work);
  pack.finalize();
  check_cudnn(cudnn()->execute(handle, plan.plan.get(), pack.get()), op);
}

// Plans live to the end of the process, in which cuDNN may end earlier.
const CudnnPlan* plan_for(std::vector<int64_t> key, const MakePlans& make, cudnnHandle_t handle,
                          std::span<const PlanOperand> operands, const char* op,
                          const std::function<void()>& own) {
  static std::mutex lock;
  static auto& kept =
      *new std::map<std::pair<std::string_view, std::vector<int64_t>>, std::optional<CudnnPlan>>;
  const int device = runtime().device_in_use();
  const auto& settings = backends().cudnn;
  const bool timed = settings.benchmark && !settings.deterministic;
  key.insert(key.end(), {device, timed});
  const std::lock_guard guard(lock);
  std::pair place(std::string_view(op), std::move(key));
  const auto found = kept.find(place);
  if (found != kept.end()) return found->second ? &*found->second : nullptr;
  if (is_recording()) return nullptr;
  const std::size_t most = !timed                         ? 1
                           : settings.benchmark_limit > 0 ? std::size_t(settings.benchmark_limit.load())
                                                          : SIZE_MAX;
  std::vector<CudnnPlan> plans = make(runtime().memory_info(device).free / 2, most);
  auto& plan = kept[std::move(place)];
  if (plans.empty()) return nullptr;
  CudnnPlan* best = own ? nullptr : plans.data();
  if (plans.size() > 1 || own) {
    double shortest = own ? time_of(own) : INFINITY;
    for (CudnnPlan& candidate : plans)
      if (const double time = time_of([&] { execute(handle, candidate, operands, op); }); time < shortest)
        best = &candidate, shortest = time;
  }
  if (best) plan = std::move(*best);
  return plan ? &*plan : nullptr;
}

int64_t alignment_of(std::initializer_list<const void*> addresses) {
  std::uintptr_t bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<std::uintptr_t>(address);
  return int64_t(bits & -bits);
}

}  // namespace taper::cuda

extern "C" __attribute__((visibility("default"))) long taper_cuda_cudnn_version() {
  using taper::cuda::cudnn;
  return cudnn() ? long(cudnn()->get_version()) : 0;
}

#endif
