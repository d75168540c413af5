// Putting tensors together, taking them apart, and moving their elements.
#pragma once

#include <optional>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// Tensors one after another along dim; other sizes must agree. 1-d empty tensors are skipped.
Tensor cat(const Tensors& tensors, std::int64_t dim = 0);
/// Tensors of one shape along a new dimension.
Tensor stack(const Tensors& tensors, std::int64_t dim = 0);
/// Views of size elements each (the last may be smaller) along dim.
Tensors split(const Tensor& x, std::int64_t size, std::int64_t dim = 0);
/// Views of the given sizes, which must sum to the size of dim.
Tensors split(const Tensor& x, const Shape& sizes, std::int64_t dim = 0);
/// At most count views of equal size along dim.
Tensors chunk(const Tensor& x, std::int64_t count, std::int64_t dim = 0);
/// Views of all slices along dim, without it.
Tensors unbind(const Tensor& x, std::int64_t dim = 0);
/// Elements in reverse order along dims.
Tensor flip(const Tensor& x, const Shape& dims);
/// Elements moved by shifts along dims, round the end; over the flattened tensor without dims.
Tensor roll(const Tensor& x, const Shape& shifts, const Shape& dims = {});
/// x repeated counts times along each dimension; counts may have leading dimensions more.
Tensor repeat(const Tensor& x, const Shape& counts);
/// As repeat, with missing leading counts taken as 1.
Tensor tile(const Tensor& x, const Shape& counts);
/// Each element along dim repeated count times.
Tensor repeat_interleave(const Tensor& x, std::int64_t count, std::optional<std::int64_t> dim = std::nullopt);
/// The lower or upper triangle of matrices, zeros elsewhere; diagonal shifts it upwards.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);
/// pairs: (before, after) of the last dimension first; negative ones crop. mode: constant, reflect, replicate
/// or circular, the last three over the last 1 to 3 dimensions.
Tensor pad(const Tensor& x, const Shape& pairs, std::string_view mode = "constant", double value = 0);
/// The dimensions source moved to the places destination.
Tensor movedim(const Tensor& x, const Shape& source, const Shape& destination);
/// Dimensions start to end as one.
Tensor flatten(const Tensor& x, std::int64_t start = 0, std::int64_t end = -1);
/// Dimension dim as several of the given sizes.
Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& sizes);
Tensors broadcast_tensors(const Tensors& tensors);
/// A matrix with x on a diagonal, or the diagonal of a matrix.
Tensor diag(const Tensor& x, std::int64_t diagonal = 0);
/// The last dimension of x as diagonals of matrices.
Tensor diag_embed(const Tensor& x, std::int64_t offset = 0, std::int64_t dim1 = -2, std::int64_t dim2 = -1);
/// Coordinate grids of 1-d tensors; indexing: "ij" or "xy".
Tensors meshgrid(const Tensors& tensors, std::string_view indexing = "ij");

}  // namespace taper
