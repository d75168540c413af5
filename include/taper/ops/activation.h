// Activation functions and their relatives, element by element.
#pragma once

#include <optional>
#include <string_view>

#include "taper/tensor.h"

namespace taper {

/// max(x, 0); NaN stays NaN.
Tensor relu(const Tensor& x);
/// 1 / (1 + exp(-x)).
Tensor sigmoid(const Tensor& x);
/// x Phi(x); approximate: "none" or "tanh". Hendrycks & Gimpel 2016, arXiv:1606.08415.
Tensor gelu(const Tensor& x, std::string_view approximate = "none");
/// x sigmoid(x).
Tensor silu(const Tensor& x);
/// x tanh(softplus(x)). Misra 2019, arXiv:1908.08681.
Tensor mish(const Tensor& x);
/// log(1 + exp(beta x)) / beta; x itself where beta x > threshold.
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
/// x above 0, slope * x below.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x above 0, alpha (exp(x) - 1) below. Clevert et al. 2015, arXiv:1511.07289.
Tensor elu(const Tensor& x, double alpha = 1);
/// A self-normalizing elu. Klambauer et al. 2017, arXiv:1706.02515.
Tensor selu(const Tensor& x);
/// max(0, x) + min(0, alpha (exp(x / alpha) - 1)).
Tensor celu(const Tensor& x, double alpha = 1);
/// x between low and high, those outside.
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);
Tensor relu6(const Tensor& x);
/// min(max(x + 3, 0), 6) / 6.
Tensor hardsigmoid(const Tensor& x);
/// x hardsigmoid(x).
Tensor hardswish(const Tensor& x);
/// x / (1 + |x|).
Tensor softsign(const Tensor& x);
/// x - tanh(x).
Tensor tanhshrink(const Tensor& x);
/// 0 within lambda of 0, x elsewhere.
Tensor hardshrink(const Tensor& x, double lambda = 0.5);
/// x moved towards 0 by lambda.
Tensor softshrink(const Tensor& x, double lambda = 0.5);
/// x above threshold, value elsewhere.
Tensor threshold(const Tensor& x, double threshold, double value);
/// log(sigmoid(x)).
Tensor logsigmoid(const Tensor& x);
/// x above 0, weight * x below; one weight, or one per channel (dimension 1).
Tensor prelu(const Tensor& x, const Tensor& weight);
/// First half of dim times the sigmoid of the second.
Tensor glu(const Tensor& x, std::int64_t dim = -1);

/// Error function, its complement and its inverse.
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);
Tensor erfinv(const Tensor& x);
/// log |Gamma(x)|.
Tensor lgamma(const Tensor& x);
/// The derivative of lgamma.
Tensor digamma(const Tensor& x);
/// log(x / (1 - x)), with x first clamped to [eps, 1 - eps] if given.
Tensor logit(const Tensor& x, std::optional<double> eps = std::nullopt);

}  // namespace taper
