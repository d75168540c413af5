// Writing, combining and finding elements by position or value.
#pragma once

#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// x with source combined in at index along dim: reduce is "sum", "prod", "mean", "amax" or "amin". Unless
/// include_self, elements of x do not count where something arrives. index may be smaller than source.
Tensor scatter_reduce(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                      std::string_view reduce, bool include_self = true);
/// As scatter_reduce for whole slices of source at the positions of a vector; reduce is "prod", "mean",
/// "amax" or "amin".
Tensor index_reduce(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                    std::string_view reduce, bool include_self = true);
/// x with the elements where mask is true taken from source, in row-major order; source may have more.
Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source);
/// x with source written, or added, at positions of the flattened x.
Tensor put(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate = false);
/// Whether each element occurs in test_elements; bool.
Tensor isin(const Tensor& elements, const Tensor& test_elements, bool assume_unique = false,
            bool invert = false);
/// The first size positions of nonzero elements, [size, ndim]; what is missing is fill_value.
Tensor nonzero_static(const Tensor& x, std::int64_t size, std::int64_t fill_value = -1);
/// The coordinates, a tensor per dimension, of positions in a row-major tensor of these sizes.
Tensors unravel_index(const Tensor& indices, const Shape& sizes);

/// 1 at the class of each element (int64) along a new last dimension, 0 elsewhere; num_classes -1: one more
/// than the largest. Throws DTypeError, and IndexError for classes out of range.
Tensor one_hot(const Tensor& x, std::int64_t num_classes = -1);

}  // namespace taper
