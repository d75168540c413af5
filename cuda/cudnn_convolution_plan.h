// How cuDNN computes a convolution: from its sizes to execution plans.
#pragma once

#include <vector>

#include "cpu/convolution.h"
#include "cuda/cudnn_plan.h"

namespace taper::cuda {

enum class ConvolutionPass { forward, backward_input, backward_weight };

/// Names of the operands in a plan.
inline constexpr std::int64_t operand_x = 1, operand_w = 2, operand_y = 3, operand_bias = 4, operand_z = 5;

/// What is done to the sums of a convolution before they are stored: y = max(sums + z + bias, 0), or parts of
/// it. z lies as y, bias is [out_channels]. cuDNN has
/// no compiled engine for z or relu without a bias: give it zeros.
struct Epilogue {
  bool bias = false, relu = false, z = false;
};

/// A pass of a convolution, the forward pass with an epilogue. If channels_last, w (dw)
/// lies as [out_channels, kernel..., in_channels / groups]; else everything is contiguous.
struct PlannedConvolution {
  cpu::Convolution sizes;
  ConvolutionPass pass;
  std::int64_t alignment = 16;  ///< that all addresses are multiples of
  Epilogue epilogue = {};
};

/// Up to `most` plans of cuDNN's heuristics that need at most so many bytes, the best first. Sums are in
/// float32, or float64 of float64. Sizes must be positive. Throws Error where cuDNN fails otherwise.
std::vector<CudnnPlan> plan_convolution(const PlannedConvolution& convolution, const PlanTarget& target,
                                        const EngineChoice& choice, std::int64_t most_workspace,
                                        std::size_t most = 1);

}  // namespace taper::cuda
