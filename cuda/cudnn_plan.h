// How cuDNN computes a convolution: from its sizes to an execution plan.
#pragma once

#include <optional>

#include "cpu/convolution.h"
#include "cuda/cudnn.h"

namespace taper::cuda {

enum class ConvolutionPass { forward, backward_input, backward_weight };

/// Names of the operands in a plan.
inline constexpr std::int64_t operand_x = 1, operand_w = 2, operand_y = 3;

/// A pass of a convolution without bias. If channels_last, w (dw) lies as [out_channels, kernel...,
/// in_channels / groups]; else everything is contiguous.
struct PlannedConvolution {
  cpu::Convolution sizes;
  ConvolutionPass pass;
  std::int64_t alignment = 16;  ///< that all addresses are multiples of
};

/// For what plans are made: a device behind a handle, or one that is described (cuDNN's device properties).
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;
};

struct CudnnPlan {
  Descriptor configuration, plan;
  std::int64_t workspace;  ///< in bytes
};

/// The first plan of cuDNN's heuristics that needs at most so many bytes and computes as Taper does: sums in
/// float32 (float64), float32 operands not shortened to TF32, each result the same every time. None where
/// there is no such plan. Sizes must be positive. Throws Error where cuDNN fails otherwise.
std::optional<CudnnPlan> plan_convolution(const PlannedConvolution& convolution, const PlanTarget& target,
                                          std::int64_t most_workspace);

}  // namespace taper::cuda
