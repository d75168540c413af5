// NAdam.
#include "taper/optim/nadam.h"

#include <cmath>

#include "optim/rule.h"

namespace taper::optim {

void NAdamOptions::check() const {
  check_not_negative(
      "NAdam",
      {{"lr", lr}, {"eps", eps}, {"weight_decay", weight_decay}, {"momentum_decay", momentum_decay}});
  check_betas("NAdam", beta1, beta2);
}

void NAdamOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields.tuple("betas", {&beta1, &beta2});
  fields("eps", eps);
  fields("weight_decay", weight_decay);
  fields("momentum_decay", momentum_decay);
  fields("decoupled_weight_decay", decoupled_weight_decay);
  fields("maximize", maximize);
  fields.unused({"foreach", "capturable", "differentiable"});
}

void NAdam::update(std::size_t group) {
  const NAdamOptions& o = options(group);
  update_each(group, o.maximize, 2, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    Tensor& product_of_mu = memory.tensors[0];
    if (!product_of_mu.defined()) product_of_mu = ones({}, float32);
    const Tensor mean = as_real(memory.tensors[1]), square = as_real(memory.tensors[2]);
    const double step = double(memory.step);
    Tensor g = gradient;
    if (!o.decoupled_weight_decay) g = decayed(gradient, parameter, o.weight_decay);
    else if (o.weight_decay != 0) mul_(parameter, 1 - o.lr * o.weight_decay);
    // 0.96 and one half are the constants of the paper's momentum schedule.
    const auto mu_at = [&](double t) { return o.beta1 * (1.0 - 0.5 * std::pow(0.96, t * o.momentum_decay)); };
    const double mu = mu_at(step), mu_next = mu_at(step + 1);
    mul_(product_of_mu, mu);
    const double product = product_of_mu.item<double>();
    average(mean, g, 1 - o.beta1);
    average_square(square, g, o.beta2);
    const Tensor scale = sqrt(square / (1 - std::pow(o.beta2, step))) + o.eps;
    copy_(parameter, addcdiv(parameter, g, scale, -o.lr * (1.0 - mu) / (1.0 - product)));
    copy_(parameter, addcdiv(parameter, mean, scale, -o.lr * mu_next / (1.0 - product * mu_next)));
  });
}

}  // namespace taper::optim
