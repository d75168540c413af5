// Descriptors of the operations of a graph.
#if __has_include(<cudnn_backend.h>)

#include "cuda/cudnn_graph.h"

#include "taper/shape.h"

namespace taper::cuda {

namespace {

using std::int64_t;

/// Names of intermediate results begin here; operands have smaller ones.
constexpr int64_t first_intermediate = 1000;

Descriptor pointwise_operation(const Pointwise& f, const GraphTensor& x, const GraphTensor& y) {
  Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  function.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, f.mode);
  function.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, f.computed_in);
  if (f.mode == CUDNN_POINTWISE_RELU_FWD)
    function.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, CUDNN_PROPAGATE_NAN);
  if (f.axis >= 0) function.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, f.axis);
  function.finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x.descriptor);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y.descriptor);
  return operation;
}

}  // namespace

cudnnDataType_t cudnn_type(DType dtype) {
  switch (dtype) {
    case DType::float16: return CUDNN_DATA_HALF;
    case DType::bfloat16: return CUDNN_DATA_BFLOAT16;
    case DType::float64: return CUDNN_DATA_DOUBLE;
    default: return CUDNN_DATA_FLOAT;
  }
}

const GraphTensor& CudnnGraph::keep(int64_t name, cudnnDataType_t type, Sizes sizes, Sizes strides,
                                    Descriptor descriptor) {
  descriptor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, name);
  descriptor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  descriptor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  descriptor.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  descriptor.finalize();
  tensors_.push_back({type, std::move(sizes), std::move(strides), std::move(descriptor)});
  return tensors_.back();
}

const GraphTensor& CudnnGraph::operand(int64_t name, cudnnDataType_t type, Sizes sizes, Sizes strides,
                                       int64_t alignment) {
  Descriptor descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  return keep(name, type, std::move(sizes), std::move(strides), std::move(descriptor));
}

const GraphTensor& CudnnGraph::number(int64_t name, cudnnDataType_t type, std::size_t dimensions) {
  Descriptor descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, int64_t(4));
  descriptor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, true);
  return keep(name, type, Sizes(dimensions, 1), Sizes(dimensions, 1), std::move(descriptor));
}

const GraphTensor& CudnnGraph::intermediate(cudnnDataType_t type, Sizes sizes, Sizes strides) {
  Descriptor descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, int64_t(16));
  descriptor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
  return keep(first_intermediate + int64_t(tensors_.size()), type, std::move(sizes), std::move(strides),
              std::move(descriptor));
}

const GraphTensor& CudnnGraph::intermediate(cudnnDataType_t type, Sizes sizes) {
  const Shape strides = contiguous_strides(Shape(sizes.data(), int(sizes.size())));
  return intermediate(type, std::move(sizes), Sizes(strides.begin(), strides.end()));
}

void CudnnGraph::pointwise(const Pointwise& f, const GraphTensor& x, const GraphTensor& y) {
  add(pointwise_operation(f, x, y));
}

void CudnnGraph::pointwise(const Pointwise& f, const GraphTensor& x, const GraphTensor& b,
                           const GraphTensor& y) {
  Descriptor operation = pointwise_operation(f, x, y);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b.descriptor);
  add(std::move(operation));
}

void CudnnGraph::pointwise(const Pointwise& f, const GraphTensor& x, const GraphTensor& b,
                           const GraphTensor& t, const GraphTensor& y) {
  Descriptor operation = pointwise_operation(f, x, y);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b.descriptor);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t.descriptor);
  add(std::move(operation));
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t op, const GraphTensor& x, const GraphTensor& y) {
  Descriptor reduction(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  reduction.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, op);
  reduction.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  reduction.finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, reduction);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x.descriptor);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y.descriptor);
  add(std::move(operation));
}

void CudnnGraph::matmul(const GraphTensor& a, const GraphTensor& b, const GraphTensor& c) {
  Descriptor product(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  product.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  product.finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, product);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a.descriptor);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b.descriptor);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c.descriptor);
  add(std::move(operation));
}

void CudnnGraph::reshape(const GraphTensor& x, const GraphTensor& y) {
  Descriptor operation(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x.descriptor);
  operation.set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y.descriptor);
  add(std::move(operation));
}

void CudnnGraph::add(Descriptor operation) {
  if (refused_) return;
  refused_ = !operation.try_finalize();
  operations_.push_back(std::move(operation));
}

std::span<const Descriptor> CudnnGraph::operations() const {
  return refused_ ? std::span<const Descriptor>() : operations_;
}

}  // namespace taper::cuda

#endif
