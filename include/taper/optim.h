// Optimizers: rules that change parameters by their gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "taper/tensor.h"

namespace taper::optim {

/// Parameters and what is remembered of them between steps.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Changes every parameter that has a gradient.
  virtual void step() = 0;
  /// Drops the gradients.
  void zero_grad();

 protected:
  /// Throws ValueError for an empty list.
  explicit Optimizer(Tensors parameters);
  /// The parameter's i-th state tensor, zeros at first.
  Tensor& state(std::size_t parameter, std::size_t i);

  Tensors parameters_;
  std::vector<std::vector<Tensor>> states_;
  std::vector<std::int64_t> steps_;
};

struct SgdOptions {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};

/// p -= lr * buffer, where the buffer gathers gradients by momentum. Sutskever et al. 2013.
class SGD : public Optimizer {
 public:
  explicit SGD(Tensors parameters, SgdOptions options = {});
  void step() override;
  SgdOptions options;
};

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;
};

/// Kingma & Ba 2015, arXiv:1412.6980.
class Adam : public Optimizer {
 public:
  explicit Adam(Tensors parameters, AdamOptions options = {});
  void step() override;
  AdamOptions options;

 protected:
  bool decoupled_ = false;
};

/// Adam with weight decay apart from the gradient (0.01 unless given). Loshchilov & Hutter 2019,
/// arXiv:1711.05101.
class AdamW : public Adam {
 public:
  explicit AdamW(Tensors parameters, AdamOptions options = {.weight_decay = 1e-2});
};

}  // namespace taper::optim
