// Convolution in one to three dimensions and its two gradients, on raw pointers.
#pragma once

#include <cstdint>

#include "taper/dtype.h"

namespace taper::cpu {

/// The sizes of a convolution y = x * w + b. Per spatial dimension i < spatial_dims:
///   output[i] = (input[i] + padding_before[i] + padding_after[i] - dilation[i] * (kernel[i] - 1) - 1) /
///   stride[i] + 1
/// where the division rounds down.
///
///   x, dx  [batch, in_channels, input...]    dense, memory order NCHW or, if channels_last, NHWC
///   y, dy  [batch, out_channels, output...]  likewise
///   w, dw  [out_channels, in_channels / groups, kernel...]  contiguous
///   bias, dbias  [out_channels]
///
/// All of dtype, which is floating; sums are taken in float32, or float64 for float64. Zero sizes are
/// allowed.
struct Convolution {
  int spatial_dims = 2;
  std::int64_t batch = 0, groups = 1, in_channels = 0, out_channels = 0;
  std::int64_t input[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, output[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1}, padding_before[3] = {}, padding_after[3] = {}, dilation[3] = {1, 1, 1};
  DType dtype = DType::float32;
  bool channels_last = true;
};

/// Throws ShapeError, ValueError or DTypeError if the sizes contradict one another or the dtype is not
/// floating.
void check_sizes(const Convolution& convolution);

/// Whether the windows are single elements of channels-first float32 images: then the images are the
/// matrices, and need not be put in channels-last order.
bool is_pointwise(const Convolution& c);

/// y = x * w + bias; bias may be null. Throws ShapeError if the sizes contradict one another.
void convolution_forward(const Convolution& convolution, const void* x, const void* w, const void* bias,
                         void* y);
/// y = max(x * w + bias + z, 0), where NaN stays NaN; z lies as y, and may be null as bias may.
void convolution_relu(const Convolution& convolution, const void* x, const void* w, const void* bias,
                      const void* z, void* y);
/// The gradient to x. Also the forward of a transposed convolution, whose input is dy and output dx: there dx
/// may reach further than the formula above asks (output_padding); what no dy touches becomes 0.
void convolution_backward_input(const Convolution& convolution, const void* dy, const void* w, void* dx);
/// The gradients to w and bias; dbias may be null.
void convolution_backward_weight(const Convolution& convolution, const void* x, const void* dy, void* dw,
                                 void* dbias);

}  // namespace taper::cpu
