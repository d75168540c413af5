// From operations of cuDNN's to execution plans.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda/cudnn.h"

namespace taper::cuda {

/// For what plans are made: a device behind a handle, or one that is described (cuDNN's device properties).
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;
};

/// Which engines may be taken. None that narrows its operands or sums in less than float32 is.
struct EngineChoice {
  bool tensor_cores = true;       ///< which multiply float32 in TF32
  bool nondeterministic = false;  ///< whose results may differ from call to call
};

struct CudnnPlan {
  Descriptor configuration, plan;
  std::int64_t workspace;  ///< in bytes
};

/// Up to `most` plans for the whole of some finalized operations that need at most so many bytes, in the
/// order of cuDNN's heuristics; none for none. Throws Error where cuDNN fails otherwise.
std::vector<CudnnPlan> find_plans(std::span<const Descriptor> operations, const PlanTarget& target,
                                  const EngineChoice& choice, std::int64_t most_workspace, std::size_t most);

}  // namespace taper::cuda
