// Adagrad.
#include "taper/optim/adagrad.h"

#include "optim/fields.h"
#include "optim/fused.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

void AdagradOptions::check() const {
  check_not_negative("Adagrad", {{"lr", lr},
                                 {"lr_decay", lr_decay},
                                 {"weight_decay", weight_decay},
                                 {"eps", eps},
                                 {"initial_accumulator_value", initial_accumulator_value}});
}

void AdagradOptions::visit(Fields& fields) {
  fields("lr", lr);
  fields("lr_decay", lr_decay);
  fields("eps", eps);
  fields("weight_decay", weight_decay);
  fields("initial_accumulator_value", initial_accumulator_value);
  fields("maximize", maximize);
  fields.unused({"foreach", "differentiable", "fused"});
}

namespace {

Tensor first_sum(const Tensor& parameter, double initial) { return full_like(parameter.detach(), initial); }

}  // namespace

// There is a sum before the first step, too.
State Adagrad::write_memory(std::size_t group, std::size_t parameter) const {
  if (!at(group).memories[parameter].tensors.empty()) return Optimizer::write_memory(group, parameter);
  State state;
  state["step"] = full({}, 0.0, float32);
  state["sum"] = first_sum(at(group).parameters[parameter], options(group).initial_accumulator_value);
  return state;
}

void Adagrad::update(std::size_t group) {
  const AdagradOptions& o = options(group);
  auto& [parameters, memories, extra] = at(group);
  std::vector<FusedParameter> list;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) continue;
    Tensors& tensors = memories[i].tensors;
    if (tensors.empty()) tensors = {first_sum(parameters[i], o.initial_accumulator_value)};
    list.push_back({parameters[i], gradient, {tensors[0]}, ++memories[i].step});
  }
  fused_step(cpu::Adagrad{o.lr, o.lr_decay, o.weight_decay, o.eps, o.maximize}, list, "Adagrad");
}

}  // namespace taper::optim
