// Adam and AdamW.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false, decoupled_weight_decay = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps scaled by running means of gradients and their squares. Kingma & Ba 2015, arXiv:1412.6980; amsgrad:
/// Reddi et al. 2018.
class Adam : public OptimizerWith<AdamOptions> {
 public:
  explicit Adam(Tensors parameters, AdamOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Adam(std::vector<ParameterGroup> groups, AdamOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Adam"; }
  std::vector<const char*> memory_names() const override {
    return {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  }
  void update(std::size_t group) override;
};

struct AdamWOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Adam with weight decay apart from the gradient. Loshchilov & Hutter 2019, arXiv:1711.05101.
class AdamW : public OptimizerWith<AdamWOptions> {
 public:
  explicit AdamW(Tensors parameters, AdamWOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit AdamW(std::vector<ParameterGroup> groups, AdamWOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "AdamW"; }
  std::vector<const char*> memory_names() const override {
    return {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
