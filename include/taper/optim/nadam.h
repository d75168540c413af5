// NAdam: Adam with Nesterov momentum.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct NAdamOptions {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false, maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Adam whose momentum looks one step ahead. Dozat 2016, Incorporating Nesterov Momentum into Adam.
class NAdam : public OptimizerWith<NAdamOptions> {
 public:
  explicit NAdam(Tensors parameters, NAdamOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit NAdam(std::vector<ParameterGroup> groups, NAdamOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "NAdam"; }
  std::vector<const char*> memory_names() const override { return {"mu_product", "exp_avg", "exp_avg_sq"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
