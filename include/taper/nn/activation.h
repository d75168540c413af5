// Activations as modules: the functions of taper/ops/activation.h.
#pragma once

#include "taper/nn/module.h"

namespace taper::nn {

/// A function as a module.
class Lambda : public Module {
 public:
  explicit Lambda(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {}
  Tensor forward(const Tensor& x) override { return function_(x); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

#define TAPER_ACTIVATION(Name, parameters) \
  class Name : public Lambda {             \
   public:                                 \
    explicit Name parameters;              \
  }

TAPER_ACTIVATION(ReLU, ());
TAPER_ACTIVATION(ReLU6, ());
TAPER_ACTIVATION(Sigmoid, ());
TAPER_ACTIVATION(Tanh, ());
TAPER_ACTIVATION(SiLU, ());
TAPER_ACTIVATION(Mish, ());
TAPER_ACTIVATION(SELU, ());
TAPER_ACTIVATION(Hardsigmoid, ());
TAPER_ACTIVATION(Hardswish, ());
TAPER_ACTIVATION(Softsign, ());
TAPER_ACTIVATION(Tanhshrink, ());
TAPER_ACTIVATION(LogSigmoid, ());
TAPER_ACTIVATION(GELU, (std::string approximate = "none"));
TAPER_ACTIVATION(LeakyReLU, (double negative_slope = 0.01));
TAPER_ACTIVATION(ELU, (double alpha = 1));
TAPER_ACTIVATION(CELU, (double alpha = 1));
TAPER_ACTIVATION(Softplus, (double beta = 1, double threshold = 20));
TAPER_ACTIVATION(Hardtanh, (double min_val = -1, double max_val = 1));
TAPER_ACTIVATION(Hardshrink, (double lambda = 0.5));
TAPER_ACTIVATION(Softshrink, (double lambda = 0.5));
TAPER_ACTIVATION(Threshold, (double threshold, double value));
TAPER_ACTIVATION(GLU, (std::int64_t dim = -1));
TAPER_ACTIVATION(Softmax, (std::int64_t dim));
TAPER_ACTIVATION(Softmin, (std::int64_t dim));
TAPER_ACTIVATION(LogSoftmax, (std::int64_t dim));
/// Softmax over the channels of [N, C, H, W] or [C, H, W].
TAPER_ACTIVATION(Softmax2d, ());
#undef TAPER_ACTIVATION

/// max(0, x) + weight min(0, x), with a learned weight for all or each channel: He et al., arXiv:1502.01852.
class PReLU : public Module {
 public:
  explicit PReLU(std::int64_t num_parameters = 1, double init = 0.25);
  Tensor forward(const Tensor& x) override;
  Tensor& weight;
};

/// LeakyReLU with a slope drawn from [lower, upper] for each element while training, their mean afterwards.
class RReLU : public Module {
 public:
  explicit RReLU(double lower = 1.0 / 8, double upper = 1.0 / 3) : lower_(lower), upper_(upper) {}
  Tensor forward(const Tensor& x) override;

 private:
  double lower_, upper_;
};

}  // namespace taper::nn
