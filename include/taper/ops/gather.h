// Reading and writing along one dimension at positions given by an int64 tensor.
#pragma once

#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// y[i][j] = x[i][index[i][j]] for dim = 1. Throws IndexError naming position, value and limit.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// x with y[i][index[i][j]] = source[i][j] for dim = 1. Where several meet, the last in row-major order
/// stays.
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Scalar& value);
/// As scatter, adding.
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source);
/// The slices of x at index along dim.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// x with alpha * source's slices added to its slices at index along dim.
Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                 const Scalar& alpha = 1);

}  // namespace taper
