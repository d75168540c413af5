// Convolution and pooling in one to three dimensions.
#pragma once

#include <string_view>
#include <tuple>

#include "taper/tensor.h"

namespace taper {

/// y = x * weight + bias over 1 to 3 spatial dimensions, as many as weight has.
///   x       [N, C, spatial...] or [C, spatial...]
///   weight  [O, C / groups, kernel...]
///   bias    [O], or undefined
///   stride, padding, dilation: one number, or one per spatial dimension
/// Throws ShapeError naming both shapes where they do not fit, DTypeError where dtypes differ.
Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Shape& stride = {1},
                   const Shape& padding = {0}, const Shape& dilation = {1}, std::int64_t groups = 1);
/// The gradient of convolution with respect to its input, as an operation: weight [C, O / groups, kernel...].
/// output_padding: added to the size of one side.
Tensor convolution_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                             const Shape& stride = {1}, const Shape& padding = {0},
                             const Shape& output_padding = {0}, std::int64_t groups = 1,
                             const Shape& dilation = {1});

/// Largest element of each window over the last spatial_dims dimensions, and its place in the plane
/// (row-major). stride: empty for the kernel's size. NaN propagates.
std::tuple<Tensor, Tensor> max_pool(const Tensor& x, int spatial_dims, const Shape& kernel,
                                    const Shape& stride = {}, const Shape& padding = {0},
                                    const Shape& dilation = {1}, bool ceil_mode = false);
Tensor average_pool(const Tensor& x, int spatial_dims, const Shape& kernel, const Shape& stride = {},
                    const Shape& padding = {0}, bool ceil_mode = false, bool count_include_pad = true,
                    std::int64_t divisor_override = 0);
/// Windows chosen so that the output has the given sizes; -1 keeps a size.
std::tuple<Tensor, Tensor> adaptive_max_pool(const Tensor& x, int spatial_dims, const Shape& output);
Tensor adaptive_average_pool(const Tensor& x, int spatial_dims, const Shape& output);

}  // namespace taper
