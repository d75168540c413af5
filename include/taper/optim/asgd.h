// ASGD: averaged stochastic gradient descent.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct ASGDOptions {
  double lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0;
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Gradient descent that keeps, as "ax" in its state, the mean of the parameters. Polyak & Juditsky 1992.
class ASGD : public OptimizerWith<ASGDOptions> {
 public:
  explicit ASGD(Tensors parameters, ASGDOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit ASGD(std::vector<ParameterGroup> groups, ASGDOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "ASGD"; }
  std::vector<const char*> memory_names() const override { return {"eta", "mu", "ax"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
