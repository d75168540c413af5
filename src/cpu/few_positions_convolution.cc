// Convolution with few results per channel, as in the last layers of a network for one image: it takes less
// time to read the weights once, as they lie, than to put them in an order that suits a kernel.
#include <algorithm>

#include "cpu/convolution_paths.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"

namespace taper::cpu {
namespace {

using int64 = std::int64_t;

constexpr int64 most_positions = 32, least_taps = 256, least_channels = 64;

bool is_suited(const Convolution& c) {
  return c.spatial_dims <= 2 && c.channels_last && c.groups == 1 && c.dtype == DType::float32 &&
         c.batch * volume(c, c.output) <= most_positions && c.out_channels >= least_channels &&
         c.in_channels * volume(c, c.kernel) >= least_taps;
}

/// The window at one position: channel by channel, as the weights lie.
void copy_window(const Convolution& c, const float* image, int64 position, float* window) {
  const int last = c.spatial_dims - 1, first = last - 1;
  const bool flat = c.spatial_dims == 1;
  const int64 row = flat ? 0 : position / c.output[last], column = position % c.output[last];
  const int64 taps = volume(c, c.kernel);
  for (int64 tap = 0; tap < taps; ++tap) {
    const int64 y =
        flat ? 0 : row * c.stride[first] - c.padding_before[first] + tap / c.kernel[last] * c.dilation[first];
    const int64 x =
        column * c.stride[last] - c.padding_before[last] + tap % c.kernel[last] * c.dilation[last];
    const bool inside = y >= 0 && (flat || y < c.input[first]) && x >= 0 && x < c.input[last];
    const float* const source = inside ? image + (y * c.input[last] + x) * c.in_channels : nullptr;
    for (int64 i = 0; i < c.in_channels; ++i) window[i * taps + tap] = source ? source[i] : 0;
  }
}

}  // namespace

bool few_positions_convolution_forward(const Convolution& c, const float* x, const float* w,
                                       const float* bias, float* y) {
  if (!is_suited(c)) return false;
  const int64 plane = volume(c, c.output), positions = c.batch * plane,
              width = c.in_channels * volume(c, c.kernel);
  Scratch<float> windows(std::size_t(positions * width));
  for (int64 i = 0; i < positions; ++i)
    copy_window(c, x + i / plane * volume(c, c.input) * c.in_channels, i % plane, windows.data() + i * width);
  gemm(c.dtype, false, true, positions, c.out_channels, width, 1, windows.data(), width, w, width, 0, y,
       c.out_channels, bias);
  return true;
}

}  // namespace taper::cpu
