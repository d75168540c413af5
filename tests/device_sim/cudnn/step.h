// What an operation of cuDNN's graphs does, by plain loops in float64. Written from cuDNN's documentation,
// independently of what calls it.
#pragma once

#include <functional>
#include <vector>

#include "descriptor.h"

namespace device_sim {

/// Elements of a tensor in row-major order.
using Elements = std::vector<double>;

struct Step {
  const char* name;
  std::vector<Tensor> inputs, outputs;
  /// The outputs' elements of the inputs'.
  std::function<std::vector<Elements>(const std::vector<Elements>&)> compute;
  bool multiplies_in_tf32 = false;  ///< by an engine that may, operands of float32
};

/// Throw Refused where an attribute is missing or the operands do not fit together.
Step step_of(const Descriptor& operation);
Step convolution_step(const Descriptor& operation);
Step norm_step(const Descriptor& operation);

/// The index of an element by its row-major number.
std::vector<int64_t> index_of(int64_t number, const std::vector<int64_t>& sizes);
/// The row-major number, in a tensor of some sizes, of an index into larger or equal ones: where a size is a
/// fraction of the larger, that many indices share one.
int64_t shared_number(const std::vector<int64_t>& sizes, const std::vector<int64_t>& larger,
                      const std::vector<int64_t>& index);

}  // namespace device_sim
