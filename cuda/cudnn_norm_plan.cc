// Operations of cuDNN for normalization.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_norm_plan.h"

#include "cuda/cudnn_graph.h"

namespace taper::cuda {

namespace {

using std::int64_t;

cudnnBackendNormMode_t mode_of(NormKind kind) {
  switch (kind) {
    case NormKind::batch: return CUDNN_BATCH_NORM;
    case NormKind::layer: return CUDNN_LAYER_NORM;
    default: return CUDNN_RMS_NORM;
  }
}

/// Sets an operation's operands, each [rows, size, 1, 1] or 1 in one of these dimensions.
struct NormOperation {
  CudnnGraph& graph;
  const PlannedNorm& norm;
  Descriptor operation;

  void set(cudnnBackendAttributeName_t attribute, NormOperand name, cudnnDataType_t type, int64_t rows,
           int64_t size) {
    operation.set(attribute, graph.operand(name, type, {rows, size, 1, 1}, {size, 1, size, size}).descriptor);
  }
  void set_matrix(cudnnBackendAttributeName_t attribute, NormOperand name) {
    set(attribute, name, cudnn_type(norm.dtype), norm.rows, norm.size);
  }
  void set_parameter(cudnnBackendAttributeName_t attribute, NormOperand name) {
    set(attribute, name, CUDNN_DATA_FLOAT, 1, norm.size);
  }
  void set_statistic(cudnnBackendAttributeName_t attribute, NormOperand name) {
    if (norm.kind == NormKind::batch) set_parameter(attribute, name);
    else set(attribute, name, CUDNN_DATA_FLOAT, norm.rows, 1);
  }
};

void add_forward(CudnnGraph& graph, const PlannedNorm& norm) {
  NormOperation made{graph, norm, Descriptor(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR)};
  made.operation.set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_TYPE_NORM_MODE, mode_of(norm.kind));
  made.operation.set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_TYPE_NORM_FWD_PHASE, CUDNN_NORM_FWD_TRAINING);
  made.set_matrix(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, norm_x);
  made.set_matrix(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, norm_y);
  made.set_parameter(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, norm_weight);
  if (norm.kind != NormKind::rms) {
    made.set_parameter(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, norm_bias);
    made.set_statistic(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, norm_mean);
  }
  made.set_statistic(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, norm_rstd);
  made.operation.set(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC,
                     graph.number(norm_epsilon, CUDNN_DATA_FLOAT).descriptor);
  graph.add(std::move(made.operation));
}

void add_backward(CudnnGraph& graph, const PlannedNorm& norm) {
  NormOperation made{graph, norm, Descriptor(CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR)};
  made.operation.set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_TYPE_NORM_MODE, mode_of(norm.kind));
  made.set_matrix(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, norm_x);
  made.set_matrix(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, norm_dy);
  made.set_matrix(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, norm_dx);
  made.set_parameter(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, norm_weight);
  made.set_parameter(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, norm_dweight);
  if (norm.kind != NormKind::rms) {
    made.set_parameter(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, norm_dbias);
    made.set_statistic(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, norm_mean);
  }
  made.set_statistic(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, norm_rstd);
  graph.add(std::move(made.operation));
}

}  // namespace

std::vector<CudnnPlan> plan_norm(const PlannedNorm& norm, const PlanTarget& target,
                                 const EngineChoice& choice, int64_t most_workspace, std::size_t most) {
  CudnnGraph graph;
  if (norm.backward) add_backward(graph, norm);
  else add_forward(graph, norm);
  return find_plans(graph.operations(), target, choice, most_workspace, most);
}

}  // namespace taper::cuda

#endif
