// How cuDNN normalizes: from sizes to execution plans.
#pragma once

#include <vector>

#include "cuda/cudnn_plan.h"
#include "taper/dtype.h"

namespace taper::cuda {

/// Names of the operands in a plan. Statistics, weight and bias and their gradients are float32.
enum NormOperand : std::int64_t {
  norm_x = 1,
  norm_y,
  norm_dy,
  norm_dx,
  norm_weight,
  norm_bias,
  norm_dweight,
  norm_dbias,
  norm_mean,
  norm_rstd,
  norm_epsilon,  ///< a float in main memory
};

enum class NormKind { batch, layer, rms };

/// A norm of x [rows, size], dense, by its own statistics, or the gradient of that. Batch norm's statistics
/// are those of the columns, the others' of the rows; weight and bias are [size], and RMS norm has no mean
/// and no bias. All addresses are multiples of 16 bytes.
struct PlannedNorm {
  NormKind kind;
  DType dtype;
  std::int64_t rows, size;
  bool backward = false;
};

/// Up to `most` plans of cuDNN's heuristics that need at most so many bytes, the best first. Sizes must be
/// positive. Throws Error where cuDNN fails otherwise.
std::vector<CudnnPlan> plan_norm(const PlannedNorm& norm, const PlanTarget& target,
                                 const EngineChoice& choice, std::int64_t most_workspace,
                                 std::size_t most = 1);

}  // namespace taper::cuda
