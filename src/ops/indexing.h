// What an index expression takes of a tensor.
#pragma once

#include <span>

#include "ops/registry.h"
#include "taper/ops/index.h"

namespace taper {

/// The view that the basic entries of an index give, and what is left for advanced indexing of it.
struct Indexed {
  Tensor view;
  OptionalTensors advanced = {};
  /// How many dimensions of the view the entries of advanced stand for.
  int covered = 0;
};

/// Throws IndexError for two ellipses or more entries than dimensions.
Indexed indexed(const Tensor& x, std::span<const TensorIndex> indices);

}  // namespace taper
