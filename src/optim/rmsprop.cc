// RMSprop.
#include "taper/optim/rmsprop.h"

#include "optim/fields.h"
#include "optim/fused.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

void RMSpropOptions::check() const {
  check_not_negative(
      "RMSprop",
      {{"lr", lr}, {"eps", eps}, {"momentum", momentum}, {"weight_decay", weight_decay}, {"alpha", alpha}});
}

void RMSpropOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("momentum", momentum);
  fields("alpha", alpha);
  fields("eps", eps);
  fields("centered", centered);
  fields("weight_decay", weight_decay);
  fields("maximize", maximize);
  fields.unused({"capturable", "foreach", "differentiable"});
}

void RMSprop::update(std::size_t group) {
  const RMSpropOptions& o = options(group);
  auto& [parameters, memories, extra] = at(group);
  const bool used[] = {true, o.momentum > 0, o.centered};
  std::vector<FusedParameter> list;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) continue;
    memories[i].tensors.resize(3);
    FusedParameter entry{parameters[i], gradient, {}, ++memories[i].step};
    for (std::size_t k = 0; k < 3; ++k) {
      Tensor& state = memories[i].tensors[k];
      if (!used[k]) continue;
      if (!state.defined()) state = zeros_like(parameters[i].detach());
      entry.state[k] = state;
    }
    list.push_back(std::move(entry));
  }
  fused_step(cpu::RmsProp{o.lr, o.alpha, o.eps, o.weight_decay, o.momentum, o.centered, o.maximize}, list,
             "RMSprop");
}

}  // namespace taper::optim
