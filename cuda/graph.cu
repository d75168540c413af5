// Recording of streams as graphs.
#include "cuda/graph.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "cuda/cublas.h"
#include "cuda/device.cuh"
#include "tensor/device_graphs.h"

namespace taper::cuda {

namespace kernels {

__global__ void set_shift(std::uint64_t* words, const DeviceGraphs::Shift shift) {
  words[0] = shift.seed, words[1] = shift.offset, words[2] = shift.runs;
}

}  // namespace kernels

namespace {

constexpr std::int64_t shift_bytes = 3 * sizeof(std::uint64_t);

/// A call of the runtime that a recording would refuse, though it has nothing to do with it.
class OutsideOfRecording {
 public:
  OutsideOfRecording() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~OutsideOfRecording() { cudaThreadExchangeStreamCaptureMode(&mode_); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

struct Recording {
  std::shared_ptr<GraphPool> pool;
  cudaStream_t stream;
  std::uint64_t* shift;
  std::thread::id thread;
  struct Later {
    void (*release)(void*);
    void* context;
  };
  std::vector<Later> later;
};

struct Recorded {
  cudaGraphExec_t executable = nullptr;
  std::shared_ptr<GraphPool> pool;
  std::uint64_t* shift = nullptr;
  ~Recorded() {
    if (executable) cudaGraphExecDestroy(executable);
    pool->give_back(shift);
  }
};

std::atomic<int> recordings_open{0};
std::mutex recordings_lock;
std::vector<std::unique_ptr<Recording>> recordings;  // by device

Recording* recording(int device) {
  return std::size_t(device) < recordings.size() ? recordings[std::size_t(device)].get() : nullptr;
}
// Only what the recording thread does is recorded.
Recording* recording_here(int device) {
  Recording* found = recording(device);
  return found && found->thread == std::this_thread::get_id() ? found : nullptr;
}

class Graphs final : public DeviceGraphs {
 public:
  std::shared_ptr<void> make_pool(int device) override { return std::make_shared<GraphPool>(device); }

  void begin(int device, std::shared_ptr<void> pool) override {
    runtime().use(device);
    const cudaStream_t stream = runtime().stream_in_use();
    check<ValueError>(stream != nullptr,
                      "Graph: the default stream cannot be recorded; make another one current");
    cublas_in_use();  // made ready now: that cannot be recorded
    auto started = std::make_unique<Recording>();
    started->pool = std::static_pointer_cast<GraphPool>(std::move(pool));
    started->stream = stream;
    started->thread = std::this_thread::get_id();
    started->shift = static_cast<std::uint64_t*>(started->pool->take(shift_bytes, stream));
    const std::lock_guard guard(recordings_lock);
    check<ValueError>(!recording(device), "Graph: cuda:", device, " is recorded already");
    recordings.resize(std::max(recordings.size(), std::size_t(device + 1)));
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a graph");
    recordings[std::size_t(device)] = std::move(started);
    ++recordings_open;
  }

  std::shared_ptr<void> end(int device) override {
    std::unique_ptr<Recording> ended;
    {
      const std::lock_guard guard(recordings_lock);
      check<ValueError>(recording(device), "Graph: cuda:", device, " is not being recorded");
      ended = std::move(recordings[std::size_t(device)]);
      --recordings_open;
    }
    auto recorded = std::make_shared<Recorded>();
    recorded->pool = ended->pool;
    recorded->shift = ended->shift;
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(ended->stream, &graph);
    for (const Recording::Later& later : ended->later) later.release(later.context);
    if (status != cudaSuccess || !graph) {
      cudaGetLastError();
      return nullptr;
    }
    const cudaError_t made = cudaGraphInstantiate(&recorded->executable, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(made, "making a graph ready");
    return recorded;
  }

  bool is_recording(int device) override {
    runtime().use(device);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check_cuda(cudaStreamIsCapturing(runtime().stream_in_use(), &status), "asking a stream");
    return status != cudaStreamCaptureStatusNone;
  }

  void launch(void* graph, int device, const Shift& shift) override {
    const auto& recorded = *static_cast<Recorded*>(graph);
    runtime().use(device);
    const cudaStream_t stream = runtime().stream_in_use();
    kernels::set_shift<<<1, 1, 0, stream>>>(recorded.shift, shift);
    check_launch("Graph");
    check_cuda(cudaGraphLaunch(recorded.executable, stream), "running a graph");
  }
};

}  // namespace

GraphPool::~GraphPool() {
  for (const Block& block : blocks_) cudaFree(block.memory);
}

void* GraphPool::take(std::int64_t bytes, cudaStream_t stream) {
  const std::lock_guard guard(lock_);
  Block* best = nullptr;
  for (Block& block : blocks_)
    if (!block.used && block.stream == stream && block.bytes >= bytes && block.bytes / 2 <= bytes &&
        (!best || block.bytes < best->bytes))
      best = &block;
  if (!best) {
    void* memory = nullptr;
    const OutsideOfRecording outside;
    const cudaError_t status = cudaMalloc(&memory, std::size_t(bytes));
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      fail<OutOfMemory>("CUDA out of memory: cannot allocate ", bytes,
                        " bytes for a graph on cuda:", device_);
    }
    check_cuda(status, "allocating memory for a graph");
    blocks_.push_back({memory, bytes, stream, false});
    best = &blocks_.back();
  }
  best->used = true;
  return best->memory;
}

void GraphPool::give_back(void* memory) {
  const std::lock_guard guard(lock_);
  for (Block& block : blocks_)
    if (block.memory == memory) block.used = false;
}

std::shared_ptr<GraphPool> pool_of_recording(int device) {
  if (recordings_open == 0) return nullptr;
  const std::lock_guard guard(recordings_lock);
  const Recording* found = recording_here(device);
  return found ? found->pool : nullptr;
}

bool release_after_recording(int device, void (*release)(void*), void* context) {
  if (recordings_open == 0) return false;
  const std::lock_guard guard(recordings_lock);
  Recording* found = recording(device);
  if (found) found->later.push_back({release, context});
  return found != nullptr;
}

const std::uint64_t* shift_of_run() {
  if (recordings_open == 0) return nullptr;
  const std::lock_guard guard(recordings_lock);
  const Recording* found = recording_here(runtime().device_in_use());
  return found ? found->shift : nullptr;
}

}  // namespace taper::cuda

extern "C" __attribute__((visibility("default"))) taper::DeviceGraphs* taper_cuda_graphs() {
  static taper::cuda::Graphs graphs;
  return &graphs;
}
