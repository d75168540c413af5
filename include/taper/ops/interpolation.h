// Resizing of images.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "taper/tensor.h"

namespace taper {

/// What interpolate() takes besides the image; see torch.nn.functional.interpolate.
struct Interpolation {
  /// Of the result, one per spatial dimension, or one for all. Either this or scale_factor.
  std::optional<Shape> size = std::nullopt;
  std::optional<std::vector<double>> scale_factor = std::nullopt;
  /// "nearest", "nearest-exact", "linear" (one spatial dimension), "bilinear", "bicubic" (two), "trilinear"
  /// (three) or "area".
  std::string_view mode = "nearest";
  /// Whether the centers of the corners coincide, instead of their outer edges. Not for nearest and area.
  std::optional<bool> align_corners = std::nullopt;
  /// Whether positions follow from the sizes even where a scale_factor is given.
  bool recompute_scale_factor = false;
  /// Whether a smaller image is filtered first; bilinear and bicubic.
  bool antialias = false;
};

/// x [N, C, spatial...] resized, in its own dtype (floating, or uint8, which is rounded). Cubic: Keys 1981
/// with a = -0.75, or -0.5 with antialias. Throws ShapeError, ValueError or DTypeError for what does not fit
/// together.
Tensor interpolate(const Tensor& x, const Interpolation& options);

}  // namespace taper
