// Dropout: parts of the input are zeroed while training, the rest is scaled up. Hinton et al.,
// arXiv:1207.0580.
#pragma once

#include "taper/nn/module.h"

namespace taper::nn {

/// Zeroes elements with probability p.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  double p_;
};

/// Zeroes whole channels of [N, C, ...].
template <int dims>
class DropoutOf : public Module {
 public:
  explicit DropoutOf(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  std::string name() const override { return "Dropout" + std::to_string(dims) + "d"; }

 private:
  double p_;
};
using Dropout1d = DropoutOf<1>;
using Dropout2d = DropoutOf<2>;
using Dropout3d = DropoutOf<3>;
extern template class DropoutOf<1>;
extern template class DropoutOf<2>;
extern template class DropoutOf<3>;

/// Dropout that keeps mean and variance of SELU's activations: Klambauer et al., arXiv:1706.02515.
class AlphaDropout : public Module {
 public:
  explicit AlphaDropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

/// AlphaDropout of whole channels of [N, C, ...].
class FeatureAlphaDropout : public Module {
 public:
  explicit FeatureAlphaDropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

}  // namespace taper::nn
