// SGD.
#include "taper/optim/sgd.h"

#include "optim/fields.h"
#include "optim/fused.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

void SGDOptions::check() const {
  check_not_negative("SGD", {{"lr", lr}, {"momentum", momentum}, {"weight_decay", weight_decay}});
  taper::check<ValueError>(!nesterov || (momentum > 0 && dampening == 0),
                           "SGD: Nesterov momentum requires a momentum and zero dampening");
}

void SGDOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("momentum", momentum);
  fields("dampening", dampening);
  fields("weight_decay", weight_decay);
  fields("nesterov", nesterov);
  fields("maximize", maximize);
  fields.unused({"foreach", "differentiable", "fused"});
}

void SGD::update(std::size_t group) {
  const SGDOptions& o = options(group);
  auto& [parameters, memories, extra] = at(group);
  std::vector<FusedParameter> list;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) continue;
    FusedParameter entry{parameters[i], gradient, {}, 2};
    if (o.momentum != 0) {
      Tensors& tensors = memories[i].tensors;
      tensors.resize(1);
      if (!tensors[0].defined()) {
        tensors[0] = zeros_like(parameters[i].detach());
        entry.step = 1;
      }
      entry.state[0] = tensors[0];
    }
    list.push_back(std::move(entry));
  }
  fused_step(cpu::Sgd{o.lr, o.momentum, o.dampening, o.weight_decay, o.nesterov, o.maximize}, list, "SGD");
}

}  // namespace taper::optim
