// Questions about sizes and strides: density, extent, overlap.
#pragma once

#include <utility>

#include "taper/shape.h"
#include "taper/tensor.h"

namespace taper {

/// A record with no memory yet and one reference.
TensorRecord* new_record();

/// Whether strides are those of a row-major dense tensor; strides of dimensions of size 1 do not matter.
bool is_row_major(const Shape& sizes, const Shape& strides);
/// Offsets, in elements, of the lowest and the highest element; (0, 0) when empty. Throws ShapeError on
/// overflow.
std::pair<std::int64_t, std::int64_t> extent(const Shape& sizes, const Shape& strides);
/// Whether no two indices meet the same element and no gaps lie between elements (any order of dimensions).
bool is_dense(const Shape& sizes, const Shape& strides);
/// Whether two indices may meet the same element.
bool overlaps_itself(const Shape& sizes, const Shape& strides);
/// Channels-last strides for sizes [N, C, spatial...].
Shape channels_last_strides(const Shape& sizes);
/// Whether a dense tensor of 3 to 5 dimensions lies in channels-last order and not in row-major order.
bool is_channels_last(const Tensor& tensor);
/// Whether the memory of both meets.
bool memory_overlaps(const Tensor& a, const Tensor& b);
/// Throws ValueError when target can not be written element by element while source is read: it overlaps
/// itself, or overlaps source without being the very same window.
void check_writable(const Tensor& target, const char* op);
void check_no_partial_overlap(const Tensor& target, const Tensor& source, const char* op);

}  // namespace taper
