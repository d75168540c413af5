// RMSprop.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct RMSpropOptions {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps divided by the root of a running mean of squared gradients. Hinton 2012.
class RMSprop : public OptimizerWith<RMSpropOptions> {
 public:
  explicit RMSprop(Tensors parameters, RMSpropOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit RMSprop(std::vector<ParameterGroup> groups, RMSpropOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "RMSprop"; }
  std::vector<const char*> memory_names() const override {
    return {"square_avg", "momentum_buffer", "grad_avg"};
  }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
