// Images read at computed positions: Jaderberg et al. 2015, arXiv:1506.02025.
#pragma once

#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// Positions for grid_sample, [N, H, W, 2] or [N, D, H, W, 3], of affine maps theta [N, 2, 3] or [N, 3, 4]
/// for images of sizes [N, C, H, W] or [N, C, D, H, W].
Tensor affine_grid(const Tensor& theta, const Shape& sizes, bool align_corners = false);

/// Images [N, C, H, W] or [N, C, D, H, W] read at grid [N, H', W', 2] or [N, D', H', W', 3], whose last
/// dimension holds x, y (, z) in [-1, 1]: from the centres of the outer pixels with align_corners, else from
/// their edges. mode: bilinear, nearest or bicubic (Keys 1981, a = -0.75); padding_mode, what lies outside:
/// zeros, border, reflection.
Tensor grid_sample(const Tensor& x, const Tensor& grid, std::string_view mode = "bilinear",
                   std::string_view padding_mode = "zeros", bool align_corners = false);

}  // namespace taper
