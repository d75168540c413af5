// Indexing with tensors, masks and their mixtures.
#pragma once

#include <optional>
#include <vector>

#include "taper/tensor.h"

namespace taper {

/// One entry per leading dimension of x: an int64 (or int32, uint8, int8, int16) tensor of positions, a bool
/// mask over as many dimensions as it has, or nothing for a dimension that stays whole. Positions broadcast
/// together; their dimensions stand where the indexed ones stood if those are neighbours, else in front.
/// Negative positions count from the end. Throws IndexError.
Tensor index(const Tensor& x, const std::vector<std::optional<Tensor>>& indices);
/// x with values (broadcast) written, or added if accumulate, at such positions.
Tensor index_put(const Tensor& x, const std::vector<std::optional<Tensor>>& indices, const Tensor& values,
                 bool accumulate = false);
/// The same in place.
const Tensor& index_put_(const Tensor& x, const std::vector<std::optional<Tensor>>& indices,
                         const Tensor& values, bool accumulate = false);
/// Positions [n, ndim] of the nonzero elements in row-major order.
Tensor nonzero(const Tensor& x);
/// The elements where mask (bool, broadcast) is true, as one dimension.
Tensor masked_select(const Tensor& x, const Tensor& mask);

}  // namespace taper
