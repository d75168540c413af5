// Convolution with windows of one element over channels-first images: matrix products without any copy.
#include <algorithm>

#include "cpu/convolution_paths.h"
#include "cpu/gemm.h"
#include "cpu/parallel.h"

namespace taper::cpu {

bool is_pointwise(const Convolution& c) {
  // Smaller images are better taken all at once.
  constexpr std::int64_t least_plane = 64;
  bool pointwise =
      !c.channels_last && c.groups == 1 && c.dtype == DType::float32 && volume(c, c.output) >= least_plane;
  for (int i = 0; i < c.spatial_dims; ++i)
    pointwise = pointwise && c.kernel[i] == 1 && c.stride[i] == 1 && c.padding_before[i] == 0 &&
                c.padding_after[i] == 0;
  return pointwise;
}

void pointwise_convolution_forward(const Convolution& c, const float* x, const float* w, const float* bias,
                                   float* y) {
  const std::int64_t plane = volume(c, c.output), rows = c.batch * c.out_channels;
  if (bias)
    parallel_for(rows, 1 + (1 << 15) / plane, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        std::fill_n(y + row * plane, plane, bias[row % c.out_channels]);
    });
  gemm_batched(c.dtype, false, false, c.out_channels, plane, c.in_channels, 1, w, c.in_channels, 0, x, plane,
               c.in_channels * plane, bias ? 1 : 0, y, plane, c.out_channels * plane, c.batch);
}

void pointwise_convolution_backward_input(const Convolution& c, const float* dy, const float* w, float* dx) {
  const std::int64_t plane = volume(c, c.output);
  gemm_batched(c.dtype, true, false, c.in_channels, plane, c.out_channels, 1, w, c.in_channels, 0, dy, plane,
               c.out_channels * plane, 0, dx, plane, c.in_channels * plane, c.batch);
}

void pointwise_convolution_backward_weight(const Convolution& c, const float* x, const float* dy, float* dw,
                                           float* dbias) {
  const std::int64_t plane = volume(c, c.output);
  for (std::int64_t image = 0; image < c.batch; ++image)
    gemm(c.dtype, false, true, c.out_channels, c.in_channels, plane, 1, dy + image * c.out_channels * plane,
         plane, x + image * c.in_channels * plane, plane, image ? 1 : 0, dw, c.in_channels);
  if (!dbias) return;
  parallel_for(c.out_channels, 1 + (1 << 15) / (c.batch * plane), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t channel = begin; channel < end; ++channel) {
      double total = 0;
      for (std::int64_t image = 0; image < c.batch; ++image) {
        const float* row = dy + (image * c.out_channels + channel) * plane;
        double lanes[8] = {};
        std::int64_t i = 0;
        for (; i + 8 <= plane; i += 8)
          for (int l = 0; l < 8; ++l) lanes[l] += row[i + l];
        for (; i < plane; ++i) lanes[0] += row[i];
        for (const double lane : lanes) total += lane;
      }
      dbias[channel] = float(total);
    }
  });
}

}  // namespace taper::cpu
