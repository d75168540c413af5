// Adadelta.
#include "taper/optim/adadelta.h"

#include "optim/rule.h"

namespace taper::optim {

void AdadeltaOptions::check() const {
  check_not_negative("Adadelta", {{"lr", lr}, {"rho", rho}, {"eps", eps}, {"weight_decay", weight_decay}});
  taper::check<ValueError>(rho <= 1, "Adadelta: rho is ", rho, "; it must be at most 1");
}

void AdadeltaOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("rho", rho);
  fields("eps", eps);
  fields("weight_decay", weight_decay);
  fields("maximize", maximize);
  fields.unused({"capturable", "foreach", "differentiable"});
}

void Adadelta::update(std::size_t group) {
  const AdadeltaOptions& o = options(group);
  update_each(group, o.maximize, 2, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    const Tensor square = as_real(memory.tensors[0]), deltas = as_real(memory.tensors[1]);
    const Tensor g = decayed(gradient, parameter, o.weight_decay);
    average_square(square, g, o.rho);
    const Tensor delta = sqrt(deltas + o.eps) / sqrt(square + o.eps) * g;
    average_square(deltas, delta, o.rho);
    add_(parameter, delta, -o.lr);
  });
}

}  // namespace taper::optim
