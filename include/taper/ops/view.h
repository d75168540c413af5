// Views: other shapes and windows on the same memory. In-place writes through a view reach the tensor it
// looks at.
#pragma once

#include <optional>

#include "taper/tensor.h"

namespace taper {

/// x under other sizes of the same number of elements, one of which may be -1. Throws ShapeError where
/// strides do not allow it.
Tensor view(const Tensor& x, const Shape& sizes);
/// As view(), copying where strides do not allow a view.
Tensor reshape(const Tensor& x, const Shape& sizes);
/// Without the dimensions of size 1 (all, or those listed).
Tensor squeeze(const Tensor& x, const std::optional<Shape>& dims = std::nullopt);
/// With a dimension of size 1 inserted before dim.
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
/// Dimension i of the result is dimension dims[i] of x.
Tensor permute(const Tensor& x, const Shape& dims);
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
/// Dimensions of size 1 repeated to the given sizes without copying; -1 keeps a size.
Tensor expand(const Tensor& x, const Shape& sizes);
/// Elements start, start + step, ... before stop along dim; negative positions count from the end.
Tensor slice(const Tensor& x, std::int64_t dim, std::optional<std::int64_t> start = std::nullopt,
             std::optional<std::int64_t> stop = std::nullopt, std::int64_t step = 1);
/// length elements from start on along dim. Throws IndexError beyond the end.
Tensor narrow(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length);
/// The slice at index along dim, without that dimension. Throws IndexError.
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);
/// The diagonal over dim1 and dim2, as the last dimension.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0, std::int64_t dim1 = 0, std::int64_t dim2 = 1);
/// All windows of size elements along dim, step apart; the window is the last dimension.
Tensor unfold(const Tensor& x, std::int64_t dim, std::int64_t size, std::int64_t step);
/// Any window on x's memory, strides and offset in elements. Throws ShapeError if it leaves the storage.
Tensor as_strided(const Tensor& x, const Shape& sizes, const Shape& strides,
                  std::optional<std::int64_t> offset = std::nullopt);
/// sizes with -1 replaced by what count elements leave for it. Throws ShapeError naming op.
Shape inferred_sizes(const Shape& sizes, std::int64_t count, const char* op);

}  // namespace taper
