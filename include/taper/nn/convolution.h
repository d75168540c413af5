// Convolutions and their transposes in one to three dimensions.
#pragma once

#include "taper/nn/module.h"

namespace taper::nn {

/// Options of convolutions with PyTorch's defaults.
struct ConvOptions {
  Extent stride = 1, padding = 0, dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  /// "zeros", "reflect", "replicate" or "circular".
  std::string padding_mode = "zeros";
};
struct ConvTransposeOptions {
  Extent stride = 1, padding = 0, output_padding = 0;
  std::int64_t groups = 1;
  bool bias = true;
  Extent dilation = 1;
};

/// x [N, C, spatial...] -> [N, O, spatial'...]. Weights uniform in +-1 / sqrt(fan-in).
template <int dims>
class Conv : public Module {
 public:
  Conv(std::int64_t in_channels, std::int64_t out_channels, const Extent& kernel_size,
       ConvOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "Conv" + std::to_string(dims) + "d"; }
  std::string extra_repr() const override;
  Tensor& weight;
  Tensor bias() const { return bias_ ? *bias_ : Tensor(); }

 private:
  std::int64_t in_channels_;
  ConvOptions options_;
  Tensor* bias_ = nullptr;
};
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;
using Conv3d = Conv<3>;

/// The gradient of a convolution as a layer: x [N, C, spatial...] -> [N, O, larger...].
template <int dims>
class ConvTranspose : public Module {
 public:
  ConvTranspose(std::int64_t in_channels, std::int64_t out_channels, const Extent& kernel_size,
                ConvTransposeOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "ConvTranspose" + std::to_string(dims) + "d"; }
  std::string extra_repr() const override;
  Tensor& weight;
  Tensor bias() const { return bias_ ? *bias_ : Tensor(); }

 private:
  std::int64_t out_channels_;
  ConvTransposeOptions options_;
  Tensor* bias_ = nullptr;
};
using ConvTranspose1d = ConvTranspose<1>;
using ConvTranspose2d = ConvTranspose<2>;
using ConvTranspose3d = ConvTranspose<3>;

extern template class Conv<1>;
extern template class Conv<2>;
extern template class Conv<3>;
extern template class ConvTranspose<1>;
extern template class ConvTranspose<2>;
extern template class ConvTranspose<3>;

}  // namespace taper::nn
