// Rprop: resilient backpropagation.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct RpropOptions {
  double lr = 1e-2;
  /// Factors of a step after a change of sign, and without.
  double eta_minus = 0.5, eta_plus = 1.2;
  double step_size_min = 1e-6, step_size_max = 50;
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps by the sign of the gradient, larger while it stays the same. Riedmiller & Braun 1993.
class Rprop : public OptimizerWith<RpropOptions> {
 public:
  explicit Rprop(Tensors parameters, RpropOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Rprop(std::vector<ParameterGroup> groups, RpropOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Rprop"; }
  std::vector<const char*> memory_names() const override { return {"prev", "step_size"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
