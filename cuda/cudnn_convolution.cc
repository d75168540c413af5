// Convolutions by cuDNN: a plan for each geometry, made when it is first met, and a handle for each thread
// and device.
#include "cuda/cudnn_convolution.h"

#if __has_include(<cudnn_backend.h>)

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/cudnn_plan.h"
#include "cuda/elementwise.h"
#include "cuda/runtime.h"

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

/// Whether what is launched now is recorded as a graph. Handles and plans cannot be made then, so that
/// convolutions which were not met before are recorded with Taper's own kernels.
bool is_recording() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(runtime().stream_in_use(), &status),
             "asking whether a stream is recorded");
  return status != cudaStreamCaptureStatusNone;
}

/// One of each thread and device: its calls are not for several threads at once. Null where there is none.
cudnnHandle_t handle_in_use() {
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

using Key = std::array<int64_t, 31>;

Key key_of(const PlannedConvolution& p) {
  const cpu::Convolution& c = p.sizes;
  Key key{c.spatial_dims,   c.batch,         c.groups,        c.in_channels, c.out_channels,
          int64_t(c.dtype), c.channels_last, int64_t(p.pass), p.alignment,   runtime().device_in_use()};
  std::size_t next = 10;
  for (const auto* sizes :
       {&c.input, &c.kernel, &c.output, &c.stride, &c.padding_before, &c.padding_after, &c.dilation})
    for (int i = 0; i < 3; ++i) key[next++] = i < c.spatial_dims ? (*sizes)[i] : 0;
  return key;
}

/// The plan, or null where there is none. Plans live to the end of the process, in which cuDNN may end
/// earlier.
const CudnnPlan* plan_for(const PlannedConvolution& p, cudnnHandle_t handle) {
  static std::mutex lock;
  static auto& plans = *new std::map<Key, std::optional<CudnnPlan>>;
  const std::lock_guard guard(lock);
  const Key key = key_of(p);
  auto found = plans.find(key);
  if (found == plans.end()) {
    if (is_recording()) return nullptr;
    const int64_t free = runtime().memory_info(runtime().device_in_use()).free;
    found = plans.emplace(key, plan_convolution(p, {handle, nullptr}, free / 2)).first;
  }
  return found->second ? &*found->second : nullptr;
}

/// The largest power of two, up to 16, that divides all addresses.
int64_t alignment_of(std::initializer_list<const void*> addresses) {
  std::uintptr_t bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<std::uintptr_t>(address);
  return int64_t(bits & -bits);
}

int64_t window_of(const cpu::Convolution& c) {
  int64_t window = 1;
  for (int i = 0; i < c.spatial_dims; ++i) window *= c.kernel[i];
  return window;
}

/// Weights from [out, in, kernel...] to [out, kernel..., in], or back.
void reorder_weights(const cpu::Convolution& c, const void* from, void* to, bool back) {
  const int64_t in = c.in_channels / c.groups, window = window_of(c);
  const Shape sizes{c.out_channels, in, window}, rows{in * window, window, 1}, last{in * window, 1, in};
  copy(sizes, {const_cast<void*>(from), c.dtype, back ? last.data() : rows.data()},
       {to, c.dtype, back ? rows.data() : last.data()});
}

void execute(cudnnHandle_t handle, const CudnnPlan& plan, void* x, void* w, void* y) {
  const Scratch workspace(plan.workspace);
  const int64_t names[] = {operand_x, operand_w, operand_y};
  void* const addresses[] = {x, w, y};
  void* const work = workspace.data();
  Descriptor operands(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  operands.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, names);
  operands.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, addresses);
  operands.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, work);
  operands.finalize();
  check_cudnn(cudnn()->execute(handle, plan.plan.get(), operands.get()), "convolution");
}

bool run(const cpu::Convolution& c, ConvolutionPass pass, void* x, void* w, void* y) {
  const int64_t window = window_of(c);
  int64_t planes = 1;
  for (int i = 0; i < c.spatial_dims; ++i) planes *= c.input[i] * c.output[i];
  if (!cudnn() || c.batch * c.in_channels * c.out_channels * window * planes == 0) return false;
  const cudnnHandle_t handle = handle_in_use();
  if (!handle) return false;
  const bool reordered = c.channels_last && window > 1 && c.in_channels > c.groups;
  const CudnnPlan* plan =
      plan_for({c, pass, reordered ? alignment_of({x, y}) : alignment_of({x, w, y})}, handle);
  if (!plan) return false;
  if (!reordered) return execute(handle, *plan, x, w, y), true;
  const Scratch weights(c.out_channels * (c.in_channels / c.groups) * window * item_size(c.dtype));
  if (pass != ConvolutionPass::backward_weight) reorder_weights(c, w, weights.data(), false);
  execute(handle, *plan, x, weights.data(), y);
  if (pass == ConvolutionPass::backward_weight) reorder_weights(c, weights.data(), w, true);
  return true;
}

}  // namespace

bool cudnn_convolution_forward(const cpu::Convolution& c, const void* x, const void* w, void* y) {
  return run(c, ConvolutionPass::forward, const_cast<void*>(x), const_cast<void*>(w), y);
}

bool cudnn_convolution_backward_input(const cpu::Convolution& c, const void* dy, const void* w, void* dx) {
  return run(c, ConvolutionPass::backward_input, dx, const_cast<void*>(w), const_cast<void*>(dy));
}

bool cudnn_convolution_backward_weight(const cpu::Convolution& c, const void* x, const void* dy, void* dw) {
  return run(c, ConvolutionPass::backward_weight, const_cast<void*>(x), dw, const_cast<void*>(dy));
}

}  // namespace taper::cuda

#else

namespace taper::cuda {

bool cudnn_convolution_forward(const cpu::Convolution&, const void*, const void*, void*) { return false; }
bool cudnn_convolution_backward_input(const cpu::Convolution&, const void*, const void*, void*) {
  return false;
}
bool cudnn_convolution_backward_weight(const cpu::Convolution&, const void*, const void*, void*) {
  return false;
}

}  // namespace taper::cuda

#endif
