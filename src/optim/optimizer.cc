// Optimizers over the fused multi-tensor kernels.
#include "taper/optim.h"

#include <cmath>

#include "cpu/optimizer.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

Optimizer::Optimizer(Tensors parameters)
    : parameters_(std::move(parameters)), states_(parameters_.size()), steps_(parameters_.size(), 0) {
  check<ValueError>(!parameters_.empty(), "optimizer: got an empty list of parameters");
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    check<ValueError>(parameters_[i].is_leaf() && parameters_[i].is_contiguous(), "optimizer: parameter ", i,
                      " must be a contiguous leaf");
}

void Optimizer::zero_grad() {
  for (const Tensor& parameter : parameters_) parameter.set_grad(Tensor());
}

Tensor& Optimizer::state(std::size_t parameter, std::size_t i) {
  auto& list = states_[parameter];
  while (list.size() <= i) list.push_back(zeros_like(parameters_[parameter].detach()));
  return list[i];
}

namespace {

void check_rate(double lr, const char* op) {
  check<ValueError>(std::isfinite(lr) && lr >= 0, op, ": the learning rate is ", lr,
                    "; it must be finite and not negative");
}

// Entries for parameters with gradients; state_of(i, k) gives the k-th of `count` state tensors.
template <class StateOf>
std::vector<cpu::Parameter> entries(const Tensors& parameters, std::vector<std::int64_t>& steps,
                                    std::size_t count, StateOf&& state_of, Tensors& kept, const char* op) {
  std::vector<cpu::Parameter> list;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) continue;
    kept.push_back(contiguous(gradient.detach()));
    cpu::Parameter entry{parameters[i].dtype(),
                         parameters[i].numel(),
                         parameters[i].data(),
                         kept.back().data(),
                         {},
                         ++steps[i]};
    for (std::size_t k = 0; k < count; ++k) entry.state[k] = state_of(i, k).data();
    list.push_back(entry);
    parameters[i].storage().wrote(op);
  }
  return list;
}

}  // namespace

SGD::SGD(Tensors parameters, SgdOptions chosen) : Optimizer(std::move(parameters)), options(chosen) {
  check<ValueError>(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
                    "SGD: Nesterov momentum requires a momentum and zero dampening");
}

void SGD::step() {
  check_rate(options.lr, "SGD");
  Tensors kept;
  const auto list = entries(
      parameters_, steps_, options.momentum != 0 ? 1 : 0,
      [this](std::size_t i, std::size_t k) -> Tensor& { return state(i, k); }, kept, "SGD");
  cpu::step(cpu::Sgd{options.lr, options.momentum, options.dampening, options.weight_decay, options.nesterov,
                     options.maximize},
            list);
}

Adam::Adam(Tensors parameters, AdamOptions chosen) : Optimizer(std::move(parameters)), options(chosen) {
  check<ValueError>(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1,
                    "Adam: betas ", options.beta1, " and ", options.beta2, " must be in [0, 1)");
}

void Adam::step() {
  check_rate(options.lr, "Adam");
  Tensors kept;
  const auto list = entries(
      parameters_, steps_, options.amsgrad ? 3 : 2,
      [this](std::size_t i, std::size_t k) -> Tensor& { return state(i, k); }, kept, "Adam");
  cpu::step(cpu::Adam{options.lr, options.beta1, options.beta2, options.eps, options.weight_decay,
                      options.amsgrad, options.maximize, decoupled_},
            list);
}

AdamW::AdamW(Tensors parameters, AdamOptions chosen) : Adam(std::move(parameters), chosen) {
  decoupled_ = true;
}

}  // namespace taper::optim
