// Adam and AdamW.
#include "taper/optim/adam.h"

#include "optim/fields.h"
#include "optim/fused.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

namespace {

template <class Options>
void check_adam(const char* name, const Options& o) {
  check_not_negative(name, {{"lr", o.lr}, {"eps", o.eps}, {"weight_decay", o.weight_decay}});
  check_betas(name, o.beta1, o.beta2);
}

template <class Options>
void visit_adam(Fields& fields, Options& o) {
  fields("lr", o.lr);
  fields.tuple("betas", {&o.beta1, &o.beta2});
  fields("eps", o.eps);
  fields("weight_decay", o.weight_decay);
  fields("amsgrad", o.amsgrad);
  fields("maximize", o.maximize);
  fields.unused({"foreach", "capturable", "differentiable", "fused"});
}

template <class Options, class Memories>
void step_adam(const Options& o, const Tensors& parameters, Memories& memories, bool decoupled,
               const char* name) {
  const std::size_t states = o.amsgrad ? 3 : 2;
  std::vector<FusedParameter> list;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) continue;
    auto& memory = memories[i];
    memory.tensors.resize(3);
    FusedParameter entry{parameters[i], gradient, {}, ++memory.step};
    for (std::size_t k = 0; k < states; ++k) {
      if (!memory.tensors[k].defined()) memory.tensors[k] = zeros_like(parameters[i].detach());
      entry.state[k] = memory.tensors[k];
    }
    list.push_back(std::move(entry));
  }
  fused_step(cpu::Adam{o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.amsgrad, o.maximize, decoupled}, list,
             name);
}

}  // namespace

void AdamOptions::check() const { check_adam("Adam", *this); }

void AdamOptions::visit(Fields& fields) {
  visit_adam(fields, *this);
  fields("decoupled_weight_decay", decoupled_weight_decay);
}

void Adam::update(std::size_t group) {
  auto& [parameters, memories, extra] = at(group);
  step_adam(options(group), parameters, memories, options(group).decoupled_weight_decay, "Adam");
}

void AdamWOptions::check() const { check_adam("AdamW", *this); }

void AdamWOptions::visit(Fields& fields) {
  visit_adam(fields, *this);
  bool decoupled = true;
  fields("decoupled_weight_decay", decoupled);
}

void AdamW::update(std::size_t group) {
  auto& [parameters, memories, extra] = at(group);
  step_adam(options(group), parameters, memories, true, "AdamW");
}

}  // namespace taper::optim
