// Running cuDNN's plans: handles, plans kept by what they are for, and the choice among several by their
// time.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "cuda/cudnn_plan.h"

namespace taper::cuda {

/// An operand of a plan: its name there, and its address; of a number, in main memory.
struct PlanOperand {
  std::int64_t name;
  const void* address;
};

/// Whether what is launched now is recorded as a graph. Handles and plans cannot be made then.
bool is_recording();

/// The handle of the calling thread for the device in use, on its current stream. Null where cuDNN is
/// missing, switched off, cannot run, or would have to be made while a graph is recorded.
cudnnHandle_t cudnn_in_use();

/// Puts a plan into the current stream.
void execute(cudnnHandle_t handle, const CudnnPlan& plan, std::span<const PlanOperand> operands,
             const char* op);

/// The plan that was kept for op, a literal, and key (to which the device is added), or else the first of
/// make(most workspace, most plans); where engines are to be timed, the fastest of these with the operands,
/// whose results may be written any number of times. Null where there is none, or it would have to be made
/// while a graph is recorded: then own kernels are. If `own` runs these, which may be done any number of
/// times too, no plan is kept that isn't faster.
using MakePlans = std::function<std::vector<CudnnPlan>(std::int64_t most_workspace, std::size_t most)>;
const CudnnPlan* plan_for(std::vector<std::int64_t> key, const MakePlans& make, cudnnHandle_t handle,
                          std::span<const PlanOperand> operands, const char* op,
                          const std::function<void()>& own = nullptr);

/// The largest power of two, up to 16, that divides all addresses.
std::int64_t alignment_of(std::initializer_list<const void*> addresses);

}  // namespace taper::cuda
