// Pooling in one to three dimensions.
#pragma once

#include <optional>

#include "taper/nn/module.h"

namespace taper::nn {

struct MaxPoolOptions {
  /// The kernel's size where not given.
  std::optional<Extent> stride = std::nullopt;
  Extent padding = 0, dilation = 1;
  bool ceil_mode = false;
};
struct AvgPoolOptions {
  std::optional<Extent> stride = std::nullopt;
  Extent padding = 0;
  bool ceil_mode = false, count_include_pad = true;
  /// Divides instead of the number of elements; 0: that number.
  std::int64_t divisor_override = 0;
};

/// The largest of each window.
template <int dims>
class MaxPool : public Module {
 public:
  explicit MaxPool(const Extent& kernel_size, MaxPoolOptions options = {})
      : kernel_size_(kernel_size), options_(std::move(options)) {}
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "MaxPool" + std::to_string(dims) + "d"; }
  std::string extra_repr() const override;

 private:
  Extent kernel_size_;
  MaxPoolOptions options_;
};

/// The mean of each window.
template <int dims>
class AvgPool : public Module {
 public:
  explicit AvgPool(const Extent& kernel_size, AvgPoolOptions options = {})
      : kernel_size_(kernel_size), options_(std::move(options)) {}
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "AvgPool" + std::to_string(dims) + "d"; }
  std::string extra_repr() const override;

 private:
  Extent kernel_size_;
  AvgPoolOptions options_;
};

/// Windows chosen so that the result has output_size; -1 keeps a size.
template <int dims, bool largest>
class AdaptivePool : public Module {
 public:
  explicit AdaptivePool(const Extent& output_size) : output_size_(output_size) {}
  Tensor forward(const Tensor& x) override;
  std::string name() const override {
    return std::string(largest ? "AdaptiveMaxPool" : "AdaptiveAvgPool") + std::to_string(dims) + "d";
  }
  std::string extra_repr() const override;

 private:
  Extent output_size_;
};

/// (sum of x^p over each window)^(1/p).
template <int dims>
class LPPool : public Module {
 public:
  LPPool(double p, const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
         bool ceil_mode = false)
      : p_(p), kernel_size_(kernel_size), stride_(std::move(stride)), ceil_mode_(ceil_mode) {}
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "LPPool" + std::to_string(dims) + "d"; }

 private:
  double p_;
  Extent kernel_size_;
  std::optional<Extent> stride_;
  bool ceil_mode_;
};

/// The maxima of a pool at the places they came from, zeros elsewhere: see taper::max_unpool.
template <int dims>
class MaxUnpool : public Module {
 public:
  explicit MaxUnpool(const Extent& kernel_size, std::optional<Extent> stride = std::nullopt,
                     const Extent& padding = 0)
      : kernel_size_(kernel_size), stride_(std::move(stride)), padding_(padding) {}
  Tensor operator()(const Tensor& x, const Tensor& indices,
                    const std::optional<Shape>& output_size = std::nullopt) const;
  std::string name() const override { return "MaxUnpool" + std::to_string(dims) + "d"; }

 private:
  Extent kernel_size_;
  std::optional<Extent> stride_;
  Extent padding_;
};

using MaxPool1d = MaxPool<1>;
using MaxPool2d = MaxPool<2>;
using MaxPool3d = MaxPool<3>;
using AvgPool1d = AvgPool<1>;
using AvgPool2d = AvgPool<2>;
using AvgPool3d = AvgPool<3>;
using AdaptiveMaxPool1d = AdaptivePool<1, true>;
using AdaptiveMaxPool2d = AdaptivePool<2, true>;
using AdaptiveMaxPool3d = AdaptivePool<3, true>;
using AdaptiveAvgPool1d = AdaptivePool<1, false>;
using AdaptiveAvgPool2d = AdaptivePool<2, false>;
using AdaptiveAvgPool3d = AdaptivePool<3, false>;
using LPPool1d = LPPool<1>;
using LPPool2d = LPPool<2>;
using LPPool3d = LPPool<3>;
using MaxUnpool1d = MaxUnpool<1>;
using MaxUnpool2d = MaxUnpool<2>;
using MaxUnpool3d = MaxUnpool<3>;

}  // namespace taper::nn
