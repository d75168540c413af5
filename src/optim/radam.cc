// RAdam.
#include "taper/optim/radam.h"

#include <cmath>

#include "optim/rule.h"

namespace taper::optim {

void RAdamOptions::check() const {
  check_not_negative("RAdam", {{"lr", lr}, {"eps", eps}, {"weight_decay", weight_decay}});
  check_betas("RAdam", beta1, beta2);
}

void RAdamOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields.tuple("betas", {&beta1, &beta2});
  fields("eps", eps);
  fields("weight_decay", weight_decay);
  fields("decoupled_weight_decay", decoupled_weight_decay);
  fields("maximize", maximize);
  fields.unused({"foreach", "capturable", "differentiable"});
}

void RAdam::update(std::size_t group) {
  const RAdamOptions& o = options(group);
  update_each(group, o.maximize, 2, [&](const Tensor& parameter, const Tensor& gradient, Memory& memory) {
    const Tensor mean = as_real(memory.tensors[0]), square = as_real(memory.tensors[1]);
    const double step = double(memory.step);
    Tensor g = gradient;
    if (!o.decoupled_weight_decay) g = decayed(gradient, parameter, o.weight_decay);
    else if (o.weight_decay != 0) mul_(parameter, 1 - o.lr * o.weight_decay);
    average(mean, g, 1 - o.beta1);
    average_square(square, g, o.beta2);
    const double decay = std::pow(o.beta2, step), correction = 1 - decay;
    // The length of the moving average, and the rectification of its variance: the paper's algorithm 2.
    const double longest = 2 / (1 - o.beta2) - 1;
    const double length = longest - 2 * step * decay / correction;
    Tensor update = mean * (o.lr / (1 - std::pow(o.beta1, step)));
    if (length > 5.0) {
      const double rectification =
          std::sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length));
      update = update * (std::sqrt(correction) * rectification) / (sqrt(square) + o.eps);
    }
    sub_(parameter, update);
  });
}

}  // namespace taper::optim
