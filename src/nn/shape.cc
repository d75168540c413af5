// Modules that rearrange, resize and pad.
#include "taper/nn/shape.h"

#include "nn/initial.h"

namespace taper::nn {

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_, end_); }
std::string Flatten::extra_repr() const { return concat("start_dim=", start_, ", end_dim=", end_); }
Tensor Unflatten::forward(const Tensor& x) { return unflatten(x, dim_, sizes_); }

Tensor Upsample::forward(const Tensor& x) {
  return interpolate(x, {options_.size, options_.scale_factor, options_.mode, options_.align_corners});
}

Tensor PixelShuffle::forward(const Tensor& x) {
  const std::int64_t r = factor_;
  check<ShapeError>(x.ndim() >= 3 && r > 0 && x.size(-3) % (r * r) == 0, "PixelShuffle: channels of shape ",
                    x.sizes(), " are not divisible by ", r * r);
  Shape split(x.sizes().data(), x.ndim() - 3), joined = split;
  const int n = split.size();
  const std::int64_t channels = x.size(-3) / (r * r), height = x.size(-2), width = x.size(-1);
  for (const std::int64_t size : {channels, r, r, height, width}) split.push_back(size);
  for (const std::int64_t size : {channels, height * r, width * r}) joined.push_back(size);
  Shape order;
  for (int i = 0; i < n; ++i) order.push_back(i);
  for (const int i : {0, 3, 1, 4, 2}) order.push_back(n + i);
  return reshape(permute(reshape(x, split), order), joined);
}

Tensor PixelUnshuffle::forward(const Tensor& x) {
  const std::int64_t r = factor_;
  check<ShapeError>(x.ndim() >= 3 && r > 0 && x.size(-1) % r == 0 && x.size(-2) % r == 0,
                    "PixelUnshuffle: sizes of shape ", x.sizes(), " are not divisible by ", r);
  Shape split(x.sizes().data(), x.ndim() - 3), joined = split;
  const int n = split.size();
  const std::int64_t channels = x.size(-3), height = x.size(-2) / r, width = x.size(-1) / r;
  for (const std::int64_t size : {channels, height, r, width, r}) split.push_back(size);
  for (const std::int64_t size : {channels * r * r, height, width}) joined.push_back(size);
  Shape order;
  for (int i = 0; i < n; ++i) order.push_back(i);
  for (const int i : {0, 2, 4, 1, 3}) order.push_back(n + i);
  return reshape(permute(reshape(x, split), order), joined);
}

Tensor ChannelShuffle::forward(const Tensor& x) {
  check<ShapeError>(x.ndim() >= 3 && groups_ > 0 && x.sizes()[1] % groups_ == 0,
                    "ChannelShuffle: channels of shape ", x.sizes(), " are not divisible by ", groups_);
  const Tensor split = unflatten(x, 1, {groups_, x.sizes()[1] / groups_});
  return reshape(transpose(split, 1, 2), x.sizes());
}

Pad::Pad(int dims, const Extent& padding, std::string mode, double value)
    : padding_(spread(padding, 2 * dims)), mode_(std::move(mode)), value_(value) {}

Tensor Pad::forward(const Tensor& x) { return pad(x, padding_, mode_, value_); }

}  // namespace taper::nn
