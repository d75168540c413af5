// Modules that rearrange, resize and pad.
#pragma once

#include <optional>

#include "taper/nn/module.h"
#include "taper/ops/interpolation.h"

namespace taper::nn {

class Identity : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

/// Dimensions start_dim to end_dim as one.
class Flatten : public Module {
 public:
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1)
      : start_(start_dim), end_(end_dim) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  std::int64_t start_, end_;
};

/// Dimension dim as several.
class Unflatten : public Module {
 public:
  Unflatten(std::int64_t dim, const Shape& sizes) : dim_(dim), sizes_(sizes) {}
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t dim_;
  Shape sizes_;
};

/// Images resized: see taper::interpolate.
class Upsample : public Module {
 public:
  struct Options {
    std::optional<Shape> size = std::nullopt;
    std::optional<std::vector<double>> scale_factor = std::nullopt;
    std::string mode = "nearest";
    std::optional<bool> align_corners = std::nullopt;
  };
  explicit Upsample(Options options) : options_(std::move(options)) {}
  Tensor forward(const Tensor& x) override;

 private:
  Options options_;
};

/// [N, C r^2, H, W] -> [N, C, H r, W r]: Shi et al., arXiv:1609.05158.
class PixelShuffle : public Module {
 public:
  explicit PixelShuffle(std::int64_t upscale_factor) : factor_(upscale_factor) {}
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t factor_;
};
class PixelUnshuffle : public Module {
 public:
  explicit PixelUnshuffle(std::int64_t downscale_factor) : factor_(downscale_factor) {}
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t factor_;
};
/// Channels of each group take turns: Zhang et al., arXiv:1707.01083.
class ChannelShuffle : public Module {
 public:
  explicit ChannelShuffle(std::int64_t groups) : groups_(groups) {}
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t groups_;
};

/// Where the windows of Unfold and Fold lie; one number or (height, width).
struct WindowOptions {
  Extent dilation = 1, padding = 0, stride = 1;
};
/// Windows of images as columns: see taper::im2col.
class Unfold : public Module {
 public:
  explicit Unfold(const Extent& kernel_size, WindowOptions options = {})
      : kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;

 private:
  Extent kernel_size_;
  WindowOptions options_;
};
/// Sums of windows as images: see taper::col2im.
class Fold : public Module {
 public:
  Fold(const Extent& output_size, const Extent& kernel_size, WindowOptions options = {})
      : output_size_(output_size), kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;

 private:
  Extent output_size_, kernel_size_;
  WindowOptions options_;
};

/// The last dims dimensions padded: by one size on all sides, or (before, after) pairs from the last
/// dimension.
class Pad : public Module {
 public:
  Pad(int dims, const Extent& padding, std::string mode, double value = 0);
  Tensor forward(const Tensor& x) override;

 private:
  Shape padding_;
  std::string mode_;
  double value_;
};
template <int dims>
struct ZeroPad : Pad {
  explicit ZeroPad(const Extent& padding) : Pad(dims, padding, "constant") {}
};
template <int dims>
struct ConstantPad : Pad {
  ConstantPad(const Extent& padding, double value) : Pad(dims, padding, "constant", value) {}
};
template <int dims>
struct ReflectionPad : Pad {
  explicit ReflectionPad(const Extent& padding) : Pad(dims, padding, "reflect") {}
};
template <int dims>
struct ReplicationPad : Pad {
  explicit ReplicationPad(const Extent& padding) : Pad(dims, padding, "replicate") {}
};
template <int dims>
struct CircularPad : Pad {
  explicit CircularPad(const Extent& padding) : Pad(dims, padding, "circular") {}
};
using ZeroPad1d = ZeroPad<1>;
using ZeroPad2d = ZeroPad<2>;
using ZeroPad3d = ZeroPad<3>;
using ConstantPad1d = ConstantPad<1>;
using ConstantPad2d = ConstantPad<2>;
using ConstantPad3d = ConstantPad<3>;
using ReflectionPad1d = ReflectionPad<1>;
using ReflectionPad2d = ReflectionPad<2>;
using ReflectionPad3d = ReflectionPad<3>;
using ReplicationPad1d = ReplicationPad<1>;
using ReplicationPad2d = ReplicationPad<2>;
using ReplicationPad3d = ReplicationPad<3>;
using CircularPad1d = CircularPad<1>;
using CircularPad2d = CircularPad<2>;
using CircularPad3d = CircularPad<3>;

}  // namespace taper::nn
