// Operation graphs of convolutions, and the choice among the engines that cuDNN's heuristics offer.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_plan.h"

#include <algorithm>
#include <array>
#include <vector>

#include "taper/error.h"

namespace taper::cuda {

namespace {

using std::int64_t;
using Sizes = std::vector<int64_t>;

cudnnDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::float16: return CUDNN_DATA_HALF;
    case DType::bfloat16: return CUDNN_DATA_BFLOAT16;
    case DType::float64: return CUDNN_DATA_DOUBLE;
    default: return CUDNN_DATA_FLOAT;
  }
}
cudnnDataType_t sum_type(DType dtype) {
  return dtype == DType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
}

/// Values by spatial dimension, of which cuDNN needs at least two.
Sizes spatial(const cpu::Convolution& c, const int64_t (&values)[3], int64_t missing) {
  Sizes all;
  if (c.spatial_dims == 1) all.push_back(missing);
  for (int i = 0; i < c.spatial_dims; ++i) all.push_back(values[i]);
  return all;
}

/// Of a dense tensor [first, channels, spatial...] whose channels are innermost if last.
Sizes strides_of(const Sizes& sizes, bool last) {
  Sizes strides(sizes.size());
  int64_t step = last ? sizes[1] : 1;
  for (std::size_t i = sizes.size(); i-- > 2;) strides[i] = step, step *= sizes[i];
  strides[1] = last ? 1 : step;
  strides[0] = last ? step : step * sizes[1];
  return strides;
}

Descriptor tensor(const PlannedConvolution& p, int64_t name, int64_t first, int64_t channels,
                  const Sizes& plane) {
  Sizes sizes{first, channels};
  for (const int64_t size : plane) sizes.push_back(size);
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, data_type(p.sizes.dtype));
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, strides_of(sizes, p.sizes.channels_last));
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, name);
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, p.alignment);
  tensor.finalize();
  return tensor;
}

Descriptor geometry(const cpu::Convolution& c) {
  Descriptor geometry(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const Sizes dilation = spatial(c, c.dilation, 1);
  geometry.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, int64_t(dilation.size()));
  geometry.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, sum_type(c.dtype));
  geometry.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  geometry.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, spatial(c, c.padding_before, 0));
  geometry.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, spatial(c, c.padding_after, 0));
  geometry.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilation);
  geometry.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, spatial(c, c.stride, 1));
  geometry.finalize();
  return geometry;
}

/// The operation of a pass and the names of its attributes.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, w, y, geometry, alpha, beta;
};

Names names_of(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvolutionPass::backward_input:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
}

/// None where cuDNN finds that the operands do not fit together, or do not suit it.
std::optional<Descriptor> operation_of(const PlannedConvolution& p) {
  const cpu::Convolution& c = p.sizes;
  const Names names = names_of(p.pass);
  Descriptor operation(names.operation);
  operation.set(names.x, tensor(p, operand_x, c.batch, c.in_channels, spatial(c, c.input, 1)));
  operation.set(names.w,
                tensor(p, operand_w, c.out_channels, c.in_channels / c.groups, spatial(c, c.kernel, 1)));
  operation.set(names.y, tensor(p, operand_y, c.batch, c.out_channels, spatial(c, c.output, 1)));
  operation.set(names.geometry, geometry(c));
  if (c.dtype == DType::float64) {
    operation.set(names.alpha, CUDNN_TYPE_DOUBLE, 1.0);
    operation.set(names.beta, CUDNN_TYPE_DOUBLE, 0.0);
  } else {
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0f);
    operation.set(names.beta, CUDNN_TYPE_FLOAT, 0.0f);
  }
  if (!operation.try_finalize()) return std::nullopt;
  return operation;
}

/// Whether an engine computes as Taper does.
bool is_exact(const Descriptor& configuration, DType dtype) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t place = engine.get();
  configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &place);
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes;
  const int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   int64_t(notes.size()), notes.data());
  for (int64_t i = 0; i < count; ++i) switch (notes[std::size_t(i)]) {
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC: return false;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        if (dtype == DType::float32) return false;  // TF32
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

std::optional<CudnnPlan> plan_convolution(const PlannedConvolution& convolution, const PlanTarget& target,
                                          int64_t most_workspace) {
  const std::optional<Descriptor> operation = operation_of(convolution);
  if (!operation) return std::nullopt;
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, *operation);
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  if (!graph.try_finalize()) return std::nullopt;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (Descriptor& configuration : configurations(graph, target, mode)) {
      if (!is_exact(configuration, convolution.sizes.dtype)) continue;
      Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      set_target(plan, target, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (!plan.try_finalize()) continue;
      int64_t workspace = 0;
      if (!plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace)) continue;
      if (workspace <= most_workspace) return CudnnPlan{std::move(configuration), std::move(plan), workspace};
    }
  return std::nullopt;
}

}  // namespace taper::cuda

#endif
