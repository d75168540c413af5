// RAdam: Adam with a rectified variance.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct RAdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled_weight_decay = false, maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Adam that starts as plain momentum while the variance is uncertain. Liu et al. 2020, arXiv:1908.03265.
class RAdam : public OptimizerWith<RAdamOptions> {
 public:
  explicit RAdam(Tensors parameters, RAdamOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit RAdam(std::vector<ParameterGroup> groups, RAdamOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "RAdam"; }
  std::vector<const char*> memory_names() const override { return {"exp_avg", "exp_avg_sq"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
