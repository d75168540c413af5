// L-BFGS: a quasi-Newton method, with a line search under the strong Wolfe conditions.
#pragma once

#include <string>

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct LBFGSOptions {
  double lr = 1;
  /// Most iterations, and evaluations of the loss, in one step; evaluations: 5/4 of max_iter if not given.
  std::int64_t max_iter = 20;
  std::optional<std::int64_t> max_eval = std::nullopt;
  double tolerance_grad = 1e-7, tolerance_change = 1e-9;
  std::int64_t history_size = 100;
  /// "" or "strong_wolfe".
  std::string line_search_fn = "";
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Quasi-Newton steps from the last history_size changes of the gradient. Liu & Nocedal 1989.
class LBFGS : public OptimizerWith<LBFGSOptions> {
 public:
  /// One group only.
  explicit LBFGS(Tensors parameters, LBFGSOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}

  /// Up to max_iter iterations; returns the loss before the first. Throws ValueError without closure.
  Tensor step(const Closure& closure) override;

 protected:
  const char* name() const override { return "LBFGS"; }
  std::vector<const char*> memory_names() const override { return {}; }
  State write_memory(std::size_t group, std::size_t parameter) const override;
  Memory read_memory(const State& state, const Tensor& parameter) const override;
  void update(std::size_t) override {}
};

}  // namespace taper::optim
