// Resizing of images in one to three dimensions and its gradient, on raw pointers.
#pragma once

#include <cstdint>
#include <vector>

#include "taper/dtype.h"

namespace taper::cpu {

enum class Interpolation { nearest, nearest_exact, linear, cubic };

/// Every output is a weighted sum of inputs, with weights that are products over the spatial dimensions;
/// positions as torch.nn.functional.interpolate computes them. linear is bilinear and trilinear in two and
/// three dimensions. (Mode 'area' is adaptive average pooling.)
///
///   x, dx  [batch, channels, input...]   dense, memory order NCHW or, if channels_last, NHWC
///   y, dy  [batch, channels, output...]  likewise
///
/// All of a floating dtype; sums are taken in float32, or float64 for float64.
struct Interpolate {
  int spatial_dims = 2;
  std::int64_t batch = 0, channels = 0;
  std::int64_t input[3] = {1, 1, 1}, output[3] = {1, 1, 1};
  DType dtype = DType::float32;
  bool channels_last = true;
  Interpolation mode = Interpolation::nearest;
  bool align_corners = false;   ///< linear and cubic
  bool antialias = false;       ///< linear and cubic: the filter widens when an image is made smaller
  double scale_factor[3] = {};  ///< output / input as the user gave it; 0: by the sizes
  int weight_bits = 0;  ///< where not 0, weights are rounded to multiples of 2^-weight_bits (not on devices)
};

/// Throws ShapeError if there are outputs but no inputs.
void interpolate(const Interpolate& interpolate, const void* x, void* y);
void interpolate_backward(const Interpolate& interpolate, const void* dy, void* dx);

/// The inputs and weights of one output in one dimension: the elements [begin[o], begin[o + 1]) of index and
/// weight.
struct Taps {
  std::vector<std::int64_t> begin{0}, index;
  std::vector<double> weight;
};

/// Those of all outputs of spatial dimension i.
Taps interpolation_taps(const Interpolate& interpolate, int i);

}  // namespace taper::cpu
