// Layers that multiply by a matrix.
#include "taper/nn/linear.h"

#include "nn/initial.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn {

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool bias)
    : weight(register_parameter("weight", by_fan_in({out_features, in_features}, in_features))) {
  if (bias) bias_ = &register_parameter("bias", by_fan_in({out_features}, in_features));
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias()); }

std::string Linear::extra_repr() const {
  return concat("in_features=", weight.sizes()[1], ", out_features=", weight.sizes()[0],
                ", bias=", bias_ ? "True" : "False");
}

Bilinear::Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features, bool bias)
    : weight(
          register_parameter("weight", by_fan_in({out_features, in1_features, in2_features}, in1_features))) {
  if (bias) bias_ = &register_parameter("bias", by_fan_in({out_features}, in1_features));
}

Tensor Bilinear::forward(const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.size(-1) == weight.sizes()[1] && b.size(-1) == weight.sizes()[2], "Bilinear: inputs ",
                    a.sizes(), " and ", b.sizes(), " do not fit a weight of shape ", weight.sizes());
  // [..., 1, in1] x [out, in1, in2] -> [..., out, in2], then the product with b.
  const Tensor inner = squeeze(matmul(unsqueeze(unsqueeze(a, -2), -2), weight), Shape{-2});
  const Tensor y = squeeze(matmul(inner, unsqueeze(b, -1)), Shape{-1});
  return bias_ ? add(y, *bias_) : y;
}

std::string Bilinear::extra_repr() const {
  return concat("in1_features=", weight.sizes()[1], ", in2_features=", weight.sizes()[2],
                ", out_features=", weight.sizes()[0], ", bias=", bias_ ? "True" : "False");
}

}  // namespace taper::nn
