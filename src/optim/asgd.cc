// ASGD.
#include "taper/optim/asgd.h"

#include <algorithm>
#include <cmath>

#include "optim/rule.h"

namespace taper::optim {

void ASGDOptions::check() const {
  check_not_negative("ASGD",
                     {{"lr", lr}, {"lambd", lambd}, {"alpha", alpha}, {"weight_decay", weight_decay}});
}

void ASGDOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("lambd", lambd);
  fields("alpha", alpha);
  fields("t0", t0);
  fields("weight_decay", weight_decay);
  fields("maximize", maximize);
  fields.unused({"foreach", "differentiable", "capturable"});
}

void ASGD::update(std::size_t group) {
  const ASGDOptions& o = options(group);
  update_each(group, o.maximize, 1, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    Tensor &eta = memory.tensors[0], &mu = memory.tensors[1];
    if (!eta.defined()) eta = full({}, o.lr, float32);
    if (!mu.defined()) mu = ones({}, float32);
    const Tensor mean = as_real(memory.tensors[2]);
    const double rate = eta.item<double>(), part = mu.item<double>(), step = double(memory.step);
    const Tensor g = decayed(gradient, parameter, o.weight_decay);
    mul_(parameter, 1 - o.lambd * rate);
    add_(parameter, g, -rate);
    if (part == 1) copy_(mean, parameter);
    else add_(mean, (parameter - mean) * part);
    fill_(eta, o.lr / std::pow(1 + o.lambd * o.lr * step, o.alpha));
    fill_(mu, 1 / std::max(1.0, step - o.t0));
  });
}

}  // namespace taper::optim
