// Graphs of cuDNN's operations, which it runs as one kernel where it has an engine for the whole graph.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "cuda/cudnn.h"
#include "taper/dtype.h"

namespace taper::cuda {

cudnnDataType_t cudnn_type(DType dtype);

/// A tensor of a graph. Strides are in elements.
struct GraphTensor {
  cudnnDataType_t type;
  std::vector<std::int64_t> sizes, strides;
  Descriptor descriptor;
};

/// What a pointwise operation computes, and in which type. The axis is that of generated indices.
struct Pointwise {
  cudnnPointwiseMode_t mode;
  cudnnDataType_t computed_in = CUDNN_DATA_FLOAT;
  std::int64_t axis = -1;
};

/// Operations in the order in which they were added, and their tensors, which live as long as the graph. Sums
/// are in float32 unless an operation says otherwise.
class CudnnGraph {
 public:
  using Sizes = std::vector<std::int64_t>;

  /// An operand in device memory, whose address is a multiple of `alignment` bytes.
  const GraphTensor& operand(std::int64_t name, cudnnDataType_t type, Sizes sizes, Sizes strides,
                             std::int64_t alignment = 16);
  /// A number that is read from main memory when the graph is put into a stream.
  const GraphTensor& number(std::int64_t name, cudnnDataType_t type, std::size_t dimensions = 4);
  /// What one operation hands to others of the graph; never stored.
  const GraphTensor& intermediate(cudnnDataType_t type, Sizes sizes, Sizes strides);
  /// The same, of adjacent elements, the last dimension innermost.
  const GraphTensor& intermediate(cudnnDataType_t type, Sizes sizes);

  /// y = f(x), f(x, b) or f(x, b, t), where b and t may be of size 1 where x is not.
  void pointwise(const Pointwise& f, const GraphTensor& x, const GraphTensor& y);
  void pointwise(const Pointwise& f, const GraphTensor& x, const GraphTensor& b, const GraphTensor& y);
  void pointwise(const Pointwise& f, const GraphTensor& x, const GraphTensor& b, const GraphTensor& t,
                 const GraphTensor& y);
  /// y = op over the dimensions of x in which y is of size 1.
  void reduce(cudnnReduceTensorOp_t op, const GraphTensor& x, const GraphTensor& y);
  /// c = a b, by the last two dimensions.
  void matmul(const GraphTensor& a, const GraphTensor& b, const GraphTensor& c);
  /// y is x read by other sizes or strides.
  void reshape(const GraphTensor& x, const GraphTensor& y);
  /// Any other operation, all of whose attributes are set.
  void add(Descriptor operation);

  /// None where cuDNN refused one of them.
  std::span<const Descriptor> operations() const;

 private:
  const GraphTensor& keep(std::int64_t name, cudnnDataType_t type, Sizes sizes, Sizes strides,
                          Descriptor descriptor);

  std::deque<GraphTensor> tensors_;
  std::vector<Descriptor> operations_;
  bool refused_ = false;
};

}  // namespace taper::cuda
