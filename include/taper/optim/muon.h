// Muon: momentum made orthogonal by Newton-Schulz iterations.
#pragma once

#include <array>
#include <string>

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct MuonOptions {
  double lr = 1e-3, weight_decay = 0.1, momentum = 0.95;
  bool nesterov = true;
  /// Coefficients of the quintic iteration, and its number of steps.
  std::array<double, 3> ns_coefficients = {3.4445, -4.775, 2.0315};
  double eps = 1e-7;
  std::int64_t ns_steps = 5;
  /// How the rate depends on the shape: "original", "match_rms_adamw" or "spectral_unclamped".
  std::string adjust_lr_fn = "original";

  void check() const;
  void visit(Fields& fields);
};

/// Momentum steps with all singular values near one, for matrices. Jordan 2024,
/// kellerjordan.github.io/posts/muon. Throws ShapeError for parameters that are no matrices.
class Muon : public OptimizerWith<MuonOptions> {
 public:
  explicit Muon(Tensors parameters, MuonOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Muon(std::vector<ParameterGroup> groups, MuonOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Muon"; }
  std::vector<const char*> memory_names() const override { return {"momentum_buffer"}; }
  bool counts_steps() const override { return false; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
