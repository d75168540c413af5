// Recording of streams as graphs: memory that lasts as long as a graph, and what differs from run to run.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/cudart.h"

namespace taper::cuda {

/// Memory of recorded work. It is never given back before the end, as runs use it at the same addresses.
class GraphPool {
 public:
  explicit GraphPool(int device) : device_(device) {}
  ~GraphPool();
  GraphPool(const GraphPool&) = delete;
  GraphPool& operator=(const GraphPool&) = delete;

  /// Memory for what is recorded next in stream. Throws OutOfMemory.
  void* take(std::int64_t bytes, cudaStream_t stream);
  /// May be taken again by what is recorded later in the stream that it was taken for.
  void give_back(void* memory);

 private:
  struct Block {
    void* memory;
    std::int64_t bytes;
    cudaStream_t stream;
    bool used;
  };
  int device_;
  std::mutex lock_;
  std::vector<Block> blocks_;
};

/// The pool that the calling thread's recording takes memory from; null where it records nothing.
std::shared_ptr<GraphPool> pool_of_recording(int device);
/// Whether the device is being recorded. release(context) is called at the end then: for memory from before,
/// whose release cannot be recorded.
bool release_after_recording(int device, void (*release)(void*), void* context);

/// While the calling thread records: three words of the device in use that say, in each run, how far
/// that is from the recording (DeviceGraphs::Shift). Null otherwise.
const std::uint64_t* shift_of_run();

}  // namespace taper::cuda
