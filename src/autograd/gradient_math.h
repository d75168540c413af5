// The arithmetic the engine needs; defined by the ops floor, so that this floor knows no operation.
#pragma once

#include "taper/tensor.h"

namespace taper {

/// a + b, on the tape when it is on.
Tensor add_gradients(const Tensor& a, const Tensor& b);
/// sum += gradient, in place.
void add_into_gradient(const Tensor& sum, const Tensor& gradient);
/// Elements of source in fresh memory laid out like like, outside of the graph.
Tensor plain_copy(const Tensor& source, const Tensor& like);
/// Ones of the shape, dtype and device of like.
Tensor ones_for(const Tensor& like);
bool has_nan(const Tensor& tensor);
/// gradient converted to dtype and, where sizes broadcast to its shape, summed to sizes, on the tape when it
/// is on. Undefined where sizes do not broadcast to its shape.
Tensor fitted_gradient(const Tensor& gradient, const Shape& sizes, DType dtype);

}  // namespace taper
