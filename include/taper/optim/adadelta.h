// Adadelta: steps in the units of the parameters.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct AdadeltaOptions {
  double lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps scaled by the ratio of past steps to past gradients. Zeiler 2012, arXiv:1212.5701.
class Adadelta : public OptimizerWith<AdadeltaOptions> {
 public:
  explicit Adadelta(Tensors parameters, AdadeltaOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Adadelta(std::vector<ParameterGroup> groups, AdadeltaOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Adadelta"; }
  std::vector<const char*> memory_names() const override { return {"square_avg", "acc_delta"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
