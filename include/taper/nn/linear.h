// Layers that multiply by a matrix.
#pragma once

#include "taper/nn/module.h"

namespace taper::nn {

/// x [..., in] -> [..., out]: x W^T + b. W and b uniform in +-1 / sqrt(in).
class Linear : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, bool bias = true);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  Tensor& weight;
  /// Undefined without a bias.
  Tensor bias() const { return bias_ ? *bias_ : Tensor(); }

 private:
  Tensor* bias_ = nullptr;
};

/// y[..., o] = a^T W[o] b + bias[o] for a [..., in1] and b [..., in2].
class Bilinear : public Module {
 public:
  Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features, bool bias = true);
  Tensor forward(const Tensor& a, const Tensor& b);
  Tensor operator()(const Tensor& a, const Tensor& b) { return forward(a, b); }
  std::string extra_repr() const override;
  Tensor& weight;

 private:
  using Module::forward;
  Tensor* bias_ = nullptr;
};

}  // namespace taper::nn
