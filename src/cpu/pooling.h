// Max and average pooling in one to three dimensions and their gradients, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// Output o of spatial dimension i < spatial_dims looks at inputs o * stride[i] - padding[i] + k *
/// dilation[i] for k < kernel[i], of which those inside [0, input[i]) count; adaptive pooling looks at
/// [floor(o * input / output), ceil((o + 1) * input / output)) instead and ignores kernel, stride, padding,
/// dilation. output is given, so that rounding it up (ceil_mode) is the caller's.
///
///   x, dx  [batch, channels, input...]   dense, memory order NCHW or, if channels_last, NHWC
///   y, dy  [batch, channels, output...]  likewise
///   indices  as y                        int64: row-major position of the maximum in its input plane
///
/// All floating, of dtype; sums are taken in float32, or float64 for float64. Zero batch, channels or outputs
/// are allowed. Every window must hold an input: a ShapeError otherwise.
struct Pooling {
  int spatial_dims = 2;
  std::int64_t batch = 0, channels = 0;
  std::int64_t input[3] = {1, 1, 1}, output[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  std::int64_t padding[3] = {}, dilation[3] = {1, 1, 1};
  DType dtype = DType::float32;
  bool channels_last = true;
  bool adaptive = false;
  /// Averages: whether padding counts in the divisor, and a divisor that replaces it unless 0. Windows that
  /// reach beyond the padding (ceil_mode) do not count what lies there. dilation must be 1.
  bool count_include_pad = true;
  std::int64_t divisor_override = 0;
};

/// The maximum, of which the first counts; NaN if the window has one, the last of which counts. indices may
/// be null.
void max_pool(const Pooling& pooling, const void* x, void* y, std::int64_t* indices);
/// dx = the sum of the dy whose index it is. Throws IndexError for an index outside the plane.
void max_pool_backward(const Pooling& pooling, const void* dy, const std::int64_t* indices, void* dx);
void average_pool(const Pooling& pooling, const void* x, void* y);
void average_pool_backward(const Pooling& pooling, const void* dy, void* dx);

}  // namespace taper::cpu
