// Adagrad.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct AdagradOptions {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps divided by the root of the sum of squared gradients. Duchi, Hazan & Singer 2011.
class Adagrad : public OptimizerWith<AdagradOptions> {
 public:
  explicit Adagrad(Tensors parameters, AdagradOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Adagrad(std::vector<ParameterGroup> groups, AdagradOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Adagrad"; }
  std::vector<const char*> memory_names() const override { return {"sum"}; }
  State write_memory(std::size_t group, std::size_t parameter) const override;
  void update(std::size_t group) override;
};

}  // namespace taper::optim
