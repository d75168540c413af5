// Adafactor: second moments kept as one row and one column.
#pragma once

#include "taper/optim/optimizer.h"

namespace taper::optim {

struct AdafactorOptions {
  double lr = 1e-2, beta2_decay = -0.8;
  /// Least mean square of gradients; without one, the precision of the dtype.
  std::optional<double> eps1 = std::nullopt;
  /// Least size of a parameter.
  double eps2 = 1e-3;
  /// Bound on the root mean square of an update.
  double d = 1;
  double weight_decay = 0;
  bool maximize = false;

  void check() const;
  void visit(Fields& fields);
};

/// Steps relative to the size of the parameters, with factored second moments. Shazeer & Stern 2018,
/// arXiv:1804.04235. Throws DTypeError for complex parameters.
class Adafactor : public OptimizerWith<AdafactorOptions> {
 public:
  explicit Adafactor(Tensors parameters, AdafactorOptions options = {})
      : OptimizerWith(std::move(parameters), options) {}
  explicit Adafactor(std::vector<ParameterGroup> groups, AdafactorOptions options = {})
      : OptimizerWith(std::move(groups), options) {}

 protected:
  const char* name() const override { return "Adafactor"; }
  std::vector<const char*> memory_names() const override { return {"row_var", "col_var", "variance"}; }
  void update(std::size_t group) override;
};

}  // namespace taper::optim
