// The ways a convolution is computed: through oneDNN, by own kernels, as a matrix product of the images
// themselves, and by unfolding windows into a matrix product.
#pragma once

#include "cpu/convolution.h"

namespace taper::cpu {

/// oneDNN's, for float32 and bfloat16. False, with nothing written, if it has no kernel better than a plain
/// loop. Every size is positive. Gradients of weights come out in float32.
bool onednn_convolution_forward(const Convolution& c, const void* x, const void* w, const void* bias,
                                void* y);
bool onednn_convolution_backward_input(const Convolution& c, const void* dy, const void* w, void* dx);
bool onednn_convolution_backward_weight(const Convolution& c, const void* x, const void* dy, float* dw,
                                        float* dbias);

/// Each channel with a window of its own, for float32 in channels-last order. False if the sizes are not
/// suited.
bool depthwise_convolution_forward(const Convolution& c, const float* x, const float* w, const float* bias,
                                   float* y);
bool depthwise_convolution_backward_input(const Convolution& c, const float* dy, const float* w, float* dx);
bool depthwise_convolution_backward_weight(const Convolution& c, const float* x, const float* dy, float* dw);

/// By Winograd's minimal filtering, for float32. False if the sizes are not suited or a result is not finite:
/// an infinite number spreads over its tile here, so that the caller then has to take another path.
bool winograd_convolution_forward(const Convolution& c, const float* x, const float* w, const float* bias,
                                  float* y);
bool winograd_convolution_backward_input(const Convolution& c, const float* dy, const float* w, float* dx);
bool winograd_convolution_backward_weight(const Convolution& c, const float* x, const float* dy, float* dw);

/// By a product with the weights as they lie, for float32. False if the sizes are not suited.
bool few_positions_convolution_forward(const Convolution& c, const float* x, const float* w,
                                       const float* bias, float* y);

void pointwise_convolution_forward(const Convolution& c, const float* x, const float* w, const float* bias,
                                   float* y);
void pointwise_convolution_backward_input(const Convolution& c, const float* dy, const float* w, float* dx);
void pointwise_convolution_backward_weight(const Convolution& c, const float* x, const float* dy, float* dw,
                                           float* dbias);

/// By im2col and gemm, for float32 and float64 and any sizes but zero ones.
void plain_convolution_forward(const Convolution& c, const void* x, const void* w, const void* bias, void* y);
void plain_convolution_backward_input(const Convolution& c, const void* dy, const void* w, void* dx);
void plain_convolution_backward_weight(const Convolution& c, const void* x, const void* dy, void* dw,
                                       void* dbias);

/// Product of the spatial sizes.
inline std::int64_t volume(const Convolution& c, const std::int64_t (&sizes)[3]) {
  std::int64_t product = 1;
  for (int i = 0; i < c.spatial_dims; ++i) product *= sizes[i];
  return product;
}

}  // namespace taper::cpu
