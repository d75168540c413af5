// Modules that rearrange, resize and pad.
#include "taper/nn/shape.h"

#include "nn/initial.h"
#include "ops/per_dimension.h"

namespace taper::nn {

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_, end_); }
std::string Flatten::extra_repr() const { return concat("start_dim=", start_, ", end_dim=", end_); }
Tensor Unflatten::forward(const Tensor& x) { return unflatten(x, dim_, sizes_); }

Tensor Upsample::forward(const Tensor& x) {
  return interpolate(x, {options_.size, options_.scale_factor, options_.mode, options_.align_corners});
}

Tensor PixelShuffle::forward(const Tensor& x) { return pixel_shuffle(x, factor_); }
Tensor PixelUnshuffle::forward(const Tensor& x) { return pixel_unshuffle(x, factor_); }
Tensor ChannelShuffle::forward(const Tensor& x) { return channel_shuffle(x, groups_); }

Tensor Unfold::forward(const Tensor& x) {
  return im2col(x, kernel_size_, options_.dilation, options_.padding, options_.stride);
}
Tensor Fold::forward(const Tensor& x) {
  return col2im(x, output_size_, kernel_size_, options_.dilation, options_.padding, options_.stride);
}

Pad::Pad(int dims, const Extent& padding, std::string mode, double value)
    : padding_(per_dimension(padding, 2 * dims, "Pad", "padding")), mode_(std::move(mode)), value_(value) {}

Tensor Pad::forward(const Tensor& x) { return pad(x, padding_, mode_, value_); }

}  // namespace taper::nn
