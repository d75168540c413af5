// Windows of images as columns, and images put together from windows.
#pragma once

#include <optional>

#include "taper/tensor.h"

namespace taper {

/// Windows of x [N, C, H, W] or [C, H, W] as columns [N, C KH KW, L], L windows row by row; torch's
/// nn.functional.unfold. All sizes are one number or (height, width). Throws ShapeError, ValueError.
Tensor im2col(const Tensor& x, const Shape& kernel, const Shape& dilation = {1}, const Shape& padding = {0},
              const Shape& stride = {1});
/// The sums of columns [N, C KH KW, L] at the places im2col took them from: [N, C, output_size...]; torch's
/// nn.functional.fold.
Tensor col2im(const Tensor& columns, const Shape& output_size, const Shape& kernel,
              const Shape& dilation = {1}, const Shape& padding = {0}, const Shape& stride = {1});

/// The maxima of max_pool at the places (of the plane, row-major) they came from, zeros elsewhere. stride:
/// empty for the kernel's size; output_size: within a stride of the natural one. Throws IndexError for a
/// place outside.
Tensor max_unpool(const Tensor& x, const Tensor& indices, int spatial_dims, const Shape& kernel,
                  const Shape& stride = {}, const Shape& padding = {0},
                  const std::optional<Shape>& output_size = std::nullopt);
/// (sum of x^p over each window)^(1/p); stride: empty for the kernel's size.
Tensor lp_pool(const Tensor& x, int spatial_dims, double p, const Shape& kernel, const Shape& stride = {},
               bool ceil_mode = false);

/// [..., C r^2, H, W] -> [..., C, H r, W r]: Shi et al. 2016, arXiv:1609.05158.
Tensor pixel_shuffle(const Tensor& x, std::int64_t upscale_factor);
/// The inverse of pixel_shuffle.
Tensor pixel_unshuffle(const Tensor& x, std::int64_t downscale_factor);
/// Channels (dimension 1) of each group take turns: Zhang et al. 2018, arXiv:1707.01083.
Tensor channel_shuffle(const Tensor& x, std::int64_t groups);

}  // namespace taper
