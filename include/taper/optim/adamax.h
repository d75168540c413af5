// Adamax: Adam with the infinity norm.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct AdamaxOptions {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps divided by a decaying maximum of gradients. Kingma & Ba 2015, arXiv:1412.6980, algorithm 2.
class Adamax : public OptimizerWith<AdamaxOptions> {
 public:
  explicit Adamax(Tensors parameters, AdamaxOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Adamax(std::vector<ParameterGroup> groups, AdamaxOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Adamax"; }
  std::vector<const char*> memory_names() const override { return {"exp_avg", "exp_inf"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
