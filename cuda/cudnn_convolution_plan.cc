// Operations of cuDNN for convolutions.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_convolution_plan.h"

#include <algorithm>

#include "cuda/cudnn_graph.h"

namespace taper::cuda {

namespace {

using std::int64_t;
using Sizes = std::vector<int64_t>;

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

// Weights are dense in any order of activations: engines that want them in another make it for themselves.
// Where both orders are the same, it is told as that of activations, which the heuristics go by.
const GraphTensor& operand(CudnnGraph& graph, const PlannedConvolution& p, int64_t name, int64_t first,
                           int64_t channels, const Sizes& plane) {
  Sizes sizes{first, channels};
  sizes.insert(sizes.end(), plane.begin(), plane.end());
  const bool both = channels == 1 || std::ranges::all_of(plane, [](int64_t size) { return size == 1; });
  const bool last = p.sizes.channels_last && (name != operand_w || both);
  return graph.operand(name, cudnn_type(p.sizes.dtype), sizes, strides_of(sizes, last), p.alignment);
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

/// y = max(sums + z + bias, 0), or parts of it.
void add_epilogue(CudnnGraph& graph, const PlannedConvolution& p, const GraphTensor& sums,
                  const GraphTensor& y) {
  const cudnnDataType_t type = sum_type(p.sizes.dtype);
  const GraphTensor* value = &sums;
  const auto next = [&](bool last) -> const GraphTensor& {
    return last ? y : graph.intermediate(type, y.sizes, y.strides);
  };
  if (p.epilogue.z) {
    const GraphTensor& z = graph.operand(operand_z, y.type, y.sizes, y.strides, p.alignment);
    const GraphTensor& sum = next(!p.epilogue.bias && !p.epilogue.relu);
    graph.pointwise({CUDNN_POINTWISE_ADD, type}, *value, z, sum);
    value = &sum;
  }
  if (p.epilogue.bias) {
    const int64_t channels = p.sizes.out_channels;
    Sizes sizes(y.sizes.size(), 1), strides(y.sizes.size(), channels);
    sizes[1] = channels, strides[1] = 1;
    const GraphTensor& bias = graph.operand(operand_bias, y.type, sizes, strides, p.alignment);
    const GraphTensor& sum = next(!p.epilogue.relu);
    graph.pointwise({CUDNN_POINTWISE_ADD, type}, *value, bias, sum);
    value = &sum;
  }
  if (p.epilogue.relu) graph.pointwise({CUDNN_POINTWISE_RELU_FWD, type}, *value, y);
}

void add_convolution(CudnnGraph& graph, const PlannedConvolution& p) {
  const cpu::Convolution& c = p.sizes;
  const Names names = names_of(p.pass);
  const GraphTensor& x = operand(graph, p, operand_x, c.batch, c.in_channels, spatial(c, c.input, 1));
  const GraphTensor& w =
      operand(graph, p, operand_w, c.out_channels, c.in_channels / c.groups, spatial(c, c.kernel, 1));
  const GraphTensor& y = operand(graph, p, operand_y, c.batch, c.out_channels, spatial(c, c.output, 1));
  const bool continues = p.epilogue.z || p.epilogue.bias || p.epilogue.relu;
  const GraphTensor& sums = continues ? graph.intermediate(sum_type(c.dtype), y.sizes, y.strides) : y;
  Descriptor operation(names.operation);
  operation.set(names.x, x.descriptor);
  operation.set(names.w, w.descriptor);
  operation.set(names.y, sums.descriptor);
  operation.set(names.geometry, geometry(c));
  if (c.dtype == DType::float64) {
    operation.set(names.alpha, CUDNN_TYPE_DOUBLE, 1.0);
    operation.set(names.beta, CUDNN_TYPE_DOUBLE, 0.0);
  } else {
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0f);
    operation.set(names.beta, CUDNN_TYPE_FLOAT, 0.0f);
  }
  graph.add(std::move(operation));
  add_epilogue(graph, p, sums, y);
}

}  // namespace

std::vector<CudnnPlan> plan_convolution(const PlannedConvolution& convolution, const PlanTarget& target,
                                        const EngineChoice& choice, int64_t most_workspace,
                                        std::size_t most) {
  CudnnGraph graph;
  add_convolution(graph, convolution);
  return find_plans(graph.operations(), target, choice, most_workspace, most);
}

}  // namespace taper::cuda

#endif
