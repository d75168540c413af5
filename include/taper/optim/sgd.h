// SGD: stochastic gradient descent, with momentum.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct SGDOptions {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;

  /// Throws ValueError for impossible values; this holds for the options of all optimizers.
  void check() const;
  void visit(Fields& fields);
};

/// p -= lr * buffer, where the buffer gathers gradients by momentum. Sutskever et al. 2013.
class SGD : public OptimizerWith<SGDOptions> {
 public:
  explicit SGD(Tensors parameters, SGDOptions options = {}) : OptimizerWith(std::move(parameters), options) {}
  explicit SGD(std::vector<ParameterGroup> groups, SGDOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "SGD"; }
  std::vector<const char*> memory_names() const override { return {"momentum_buffer"}; }
  bool counts_steps() const override { return false; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
