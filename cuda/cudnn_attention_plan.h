// How cuDNN computes attention and its gradients: from their sizes to execution plans.
#pragma once

#include <vector>

#include "cpu/attention.h"
#include "cuda/cudnn_plan.h"

namespace taper::cuda {

/// Names of the operands in a plan. The scale, the score of hidden keys, -inf, where keys are hidden, and for
/// gradients 1 are float32 numbers in main memory.
namespace attention_operand {
inline constexpr std::int64_t q = 1, k = 2, v = 3, y = 4, log_sum_exp = 5, mask = 6, scale = 7, hidden = 8,
                              dy = 9, dq = 10, dk = 11, dv = 12, along = 13, dq_sums = 14, one = 15;
}

/// Attention of float16 or bfloat16, or its gradients. All addresses are multiples of 16 bytes. log_sum_exp
/// and along, where the gradients' graph keeps dy . y, are float32 [batch, heads, queries], dq_sums is
/// float32 [batch, heads, queries, size]. A mask, whose address does not matter here, is added to the scores;
/// its first two strides may be 0.
struct PlannedAttention {
  cpu::Attention sizes;
  bool backward = false;
};

/// Up to `most` plans of cuDNN's heuristics that need at most so many bytes, the best first; none where it
/// has no fused kernel for these sizes. Throws Error where cuDNN fails otherwise.
std::vector<CudnnPlan> plan_attention(const PlannedAttention& attention, const PlanTarget& target,
                                      const EngineChoice& choice, std::int64_t most_workspace,
                                      std::size_t most = 1);

}  // namespace taper::cuda
