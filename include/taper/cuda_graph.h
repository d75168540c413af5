// cuda::Graph: work on a GPU that was recorded once and runs again without the cost of its launches.
#pragma once

#include <cstdint>
#include <memory>

#include "taper/device.h"

namespace taper::cuda {

/// Recorded work of one stream. A run repeats kernels and copies on the same memory: write new inputs into
/// the tensors that were used while recording, and read results from those that were made. Random numbers go
/// on from the device's default generator, and optimizers count steps from run to run. All else that the host
/// decided while recording stays: shapes, learning rates, branches. What must wait for the device (item(),
/// copies to main memory) cannot be recorded.
class Graph {
 public:
  /// Shares the memory of another graph's recording, pool(), if given.
  void begin(std::shared_ptr<void> pool = nullptr);
  /// Throws Error where something was called that cannot be recorded.
  void end();
  /// Puts the work into the current stream. Throws ValueError before end().
  void replay();
  /// Frees the recorded work; its memory, too, once no tensor uses it.
  void reset();
  const std::shared_ptr<void>& pool() const { return pool_; }

 private:
  int device_ = 0;
  std::shared_ptr<void> pool_, graph_;
  std::uint64_t seed_ = 0, offset_ = 0, drawn_ = 0, runs_ = 0;
};

/// Whether the calling thread's current stream records.
bool is_recording();

}  // namespace taper::cuda
