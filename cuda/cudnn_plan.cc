// The choice among the engines that cuDNN's heuristics offer.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_plan.h"

#include <algorithm>
#include <array>

namespace taper::cuda {

namespace {

using std::int64_t;

/// Whether an engine computes as it may.
bool suits(const Descriptor& configuration, const EngineChoice& choice) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t place = engine.get();
  configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &place);
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes;
  const int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   int64_t(notes.size()), notes.data());
  for (int64_t i = 0; i < count; ++i) switch (notes[std::size_t(i)]) {
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION: return false;
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        if (!choice.nondeterministic) return false;
        break;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        if (!choice.tensor_cores) return false;
        break;
      default: break;
    }
  return true;
}

void set_target(Descriptor& descriptor, const PlanTarget& target, cudnnBackendAttributeName_t handle,
                cudnnBackendAttributeName_t properties) {
  if (target.properties) descriptor.set(properties, *target.properties);
  else descriptor.set(handle, CUDNN_TYPE_HANDLE, target.handle);
}

/// Engines with their settings, best first.
std::vector<Descriptor> configurations(const Descriptor& graph, const PlanTarget& target,
                                       cudnnBackendHeurMode_t mode) {
  constexpr int64_t most = 64;
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (target.properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
  std::vector<Descriptor> found;
  if (!heuristics.try_finalize()) return found;
  std::vector<cudnnBackendDescriptor_t> places;
  for (int64_t i = 0; i < most; ++i)
    places.push_back(found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  const int64_t count =
      heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, places.data());
  found.erase(found.begin() + std::min(count, most), found.end());
  return found;
}

}  // namespace

std::vector<CudnnPlan> find_plans(std::span<const Descriptor> operations, const PlanTarget& target,
                                  const EngineChoice& choice, int64_t most_workspace, std::size_t most) {
  std::vector<CudnnPlan> plans;
  if (operations.empty()) return plans;
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations);
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  if (!graph.try_finalize()) return plans;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    if (!plans.empty()) break;
    for (Descriptor& configuration : configurations(graph, target, mode)) {
      if (plans.size() == most) break;
      if (!suits(configuration, choice)) continue;
      Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      set_target(plan, target, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (!plan.try_finalize()) continue;
      int64_t workspace = 0;
      if (!plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace)) continue;
      if (workspace <= most_workspace)
        plans.push_back({std::move(configuration), std::move(plan), workspace});
    }
  }
  return plans;
}

}  // namespace taper::cuda

#endif
