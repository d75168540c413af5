// Adamax.
#include "taper/optim/adamax.h"

#include <cmath>

#include "optim/rule.h"

namespace taper::optim {

void AdamaxOptions::check() const {
  check_not_negative("Adamax", {{"lr", lr}, {"eps", eps}, {"weight_decay", weight_decay}});
  check_betas("Adamax", beta1, beta2);
}

void AdamaxOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields.tuple("betas", {&beta1, &beta2});
  fields("eps", eps);
  fields("weight_decay", weight_decay);
  fields("maximize", maximize);
  fields.unused({"foreach", "differentiable", "capturable"});
}

void Adamax::update(std::size_t group) {
  const AdamaxOptions& o = options(group);
  update_each(group, o.maximize, 2, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    const Tensor mean = as_real(memory.tensors[0]), largest = as_real(memory.tensors[1]);
    const Tensor g = decayed(gradient, parameter, o.weight_decay);
    average(mean, g, 1 - o.beta1);
    copy_(largest, maximum(largest * o.beta2, abs(g) + o.eps));
    const double rate = -o.lr / (1 - std::pow(o.beta1, double(memory.step)));
    copy_(parameter, addcdiv(parameter, mean, largest, rate));
  });
}

}  // namespace taper::optim
