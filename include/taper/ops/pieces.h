// Tensors put together from pieces, cut into pieces, and with pieces replaced.
#pragma once

#include <optional>

#include "taper/tensor.h"

namespace taper {

/// Matrices along the diagonal of a larger one; vectors count as rows.
Tensor block_diag(const Tensors& tensors);
/// All tuples with one element of each vector, in lexicographic order of places; [count, vectors].
Tensor cartesian_prod(const Tensors& tensors);
/// All choices of r elements of a vector in the order of places, [count, r].
Tensor combinations(const Tensor& x, std::int64_t r = 2, bool with_replacement = false);
/// Joined as columns; vectors count as columns.
Tensor column_stack(const Tensors& tensors);
/// A square matrix with the elements of x on a diagonal.
Tensor diagflat(const Tensor& x, std::int64_t offset = 0);
/// x with the slice at index along dim replaced by source.
Tensor select_scatter(const Tensor& x, const Tensor& source, std::int64_t dim, std::int64_t index);
/// x with x[start:end:step] along dim replaced by source.
Tensor slice_scatter(const Tensor& x, const Tensor& source, std::int64_t dim = 0,
                     std::optional<std::int64_t> start = std::nullopt,
                     std::optional<std::int64_t> end = std::nullopt, std::int64_t step = 1);
Tensor diagonal_scatter(const Tensor& x, const Tensor& source, std::int64_t offset = 0, std::int64_t dim1 = 0,
                        std::int64_t dim2 = 1);
Tensor as_strided_scatter(const Tensor& x, const Tensor& source, const Shape& sizes, const Shape& strides,
                          std::optional<std::int64_t> offset = std::nullopt);
/// Every element replaced by value, which is 0-d.
Tensor fill(const Tensor& x, const Tensor& value);
/// Equal parts, or cuts before the given places, along dim 1 (0 of vectors), 0 and 2.
Tensors hsplit(const Tensor& x, std::int64_t sections);
Tensors hsplit(const Tensor& x, const Shape& places);
Tensors vsplit(const Tensor& x, std::int64_t sections);
Tensors vsplit(const Tensor& x, const Shape& places);
Tensors dsplit(const Tensor& x, std::int64_t sections);
Tensors dsplit(const Tensor& x, const Shape& places);

}  // namespace taper
