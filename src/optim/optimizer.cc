// Groups of parameters, their steps one by one, and their state.
#include "taper/optim/optimizer.h"

#include <cmath>
#include <unordered_map>

#include "optim/fields.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::optim {

void Optimizer::add_parameters(Tensors parameters) {
  check<ValueError>(!parameters.empty(), "optimizer: got an empty list of parameters");
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& parameter = parameters[i];
    check<ValueError>(parameter.defined(), "optimizer: parameter ", i, " is undefined");
    check<ValueError>(parameter.is_leaf(), "optimizer: parameter ", i,
                      " is no leaf but the result of an operation");
    for (const Group& other : groups_)
      for (const Tensor& known : other.parameters)
        check<ValueError>(!known.is(parameter), "optimizer: parameter ", i, " is in another group already");
    for (std::size_t j = 0; j < i; ++j)
      check<ValueError>(!parameters[j].is(parameter), "optimizer: parameters ", j, " and ", i,
                        " are the same tensor");
  }
  Group group;
  group.memories.resize(parameters.size());
  group.parameters = std::move(parameters);
  groups_.push_back(std::move(group));
}

Optimizer::Group& Optimizer::at(std::size_t group) {
  check<IndexError>(group < groups_.size(), "optimizer: there is no group ", group, "; it has ",
                    groups_.size());
  return groups_[group];
}

Tensor Optimizer::step(const Closure& closure) {
  Tensor loss;
  if (closure) {
    const EnableGrad with_grad;
    loss = closure();
  }
  const NoGrad no_grad;
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    check<ValueError>(std::isfinite(lr(group)), name(), ": the learning rate is ", lr(group),
                      "; it must be finite");
    update(group);
  }
  return loss;
}

void Optimizer::zero_grad(bool set_to_none) {
  for (const Group& group : groups_) {
    for (const Tensor& parameter : group.parameters) {
      const Tensor gradient = parameter.grad();
      if (!gradient.defined()) continue;
      if (set_to_none) parameter.set_grad(Tensor());
      else zero_(gradient.detach_());
    }
  }
}

void Optimizer::update_each(std::size_t group, bool maximize, std::size_t zeros, const Rule& rule) {
  auto& [parameters, memories, extra] = groups_[group];
  const auto real_view = [](const Tensor& x) { return x.is_complex() ? view_as_real(x) : x; };
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) continue;
    check<ShapeError>(gradient.sizes() == parameters[i].sizes(), name(), ": the gradient of parameter ", i,
                      " has shape ", gradient.sizes(), ", expected ", parameters[i].sizes());
    Memory& memory = memories[i];
    if (memory.tensors.empty()) {
      memory.tensors.resize(memory_names().size());
      // Those of the parameter's shape stand last.
      for (std::size_t k = 0; k < zeros; ++k)
        *(memory.tensors.end() - 1 - std::ptrdiff_t(k)) = zeros_like(parameters[i].detach());
    }
    ++memory.step;
    if (maximize) gradient = neg(gradient);
    rule(real_view(parameters[i].detach()), real_view(gradient.detach()), memory);
  }
}

State Optimizer::write_memory(std::size_t group, std::size_t parameter) const {
  State state = State::dict();
  const Memory& memory = groups_[group].memories[parameter];
  if (memory.tensors.empty()) return state;
  if (counts_steps()) state["step"] = full({}, double(memory.step), float32);
  const auto names = memory_names();
  for (std::size_t k = 0; k < names.size(); ++k)
    if (memory.tensors[k].defined()) state[names[k]] = memory.tensors[k];
  return state;
}

namespace {

// A number, or of the parameter's sizes, or of size 1 along some dimensions (Adafactor's rows and columns).
bool fits(const Tensor& memory, const Tensor& parameter) {
  if (memory.ndim() == 0) return true;
  if (memory.ndim() != parameter.ndim()) return false;
  for (int d = 0; d < memory.ndim(); ++d)
    if (memory.size(d) != parameter.size(d) && memory.size(d) != 1) return false;
  return true;
}

}  // namespace

Optimizer::Memory Optimizer::read_memory(const State& state, const Tensor& parameter) const {
  Memory memory;
  if (const State* step = state.find("step")) memory.step = std::int64_t(number(*step));
  const auto names = memory_names();
  memory.tensors.resize(names.size());
  for (std::size_t k = 0; k < names.size(); ++k) {
    const State* found = state.find(names[k]);
    if (!found || found->is_none()) continue;
    const Tensor source = found->is_tensor() ? found->as_tensor() : full({}, number(*found), float32);
    check<ValueError>(fits(source, parameter), name(), ": ", names[k], " of shape ", source.sizes(),
                      " does not fit a parameter of shape ", parameter.sizes());
    memory.tensors[k] =
        to(source.detach(), parameter.is_floating_point() ? parameter.dtype() : source.dtype(), true);
  }
  return memory;
}

State Optimizer::state_dict() const {
  State::Dict memories;
  State groups = State::list();
  std::int64_t number = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    State group = State::dict(), numbers = State::list();
    auto fields = Fields::writing(group);
    const_cast<Optimizer*>(this)->visit_options(g, fields);
    for (const auto& [key, value] : groups_[g].extra.as_dict()) group[key.as_text()] = value;
    for (std::size_t i = 0; i < groups_[g].parameters.size(); ++i, ++number) {
      numbers.as_list().push_back(number);
      State memory = write_memory(g, i);
      if (memory.size() > 0) memories.emplace_back(number, std::move(memory));
    }
    group["params"] = std::move(numbers);
    groups.as_list().push_back(std::move(group));
  }
  State state;
  state["state"] = State::dict(std::move(memories));
  state["param_groups"] = std::move(groups);
  return state;
}

namespace {

// What stands in a loaded group beside the options and the numbers of the parameters.
State beside(const State& loaded, const State& options) {
  State extra = State::dict();
  for (const auto& [key, value] : loaded.as_dict())
    if (key.is_text() && key.as_text() != "params" && !options.contains(key.as_text()))
      extra[key.as_text()] = value;
  return extra;
}

}  // namespace

void Optimizer::load_state_dict(const State& state) {
  const NoGrad no_grad;
  const State::List& groups = state.at("param_groups").as_list();
  check<ValueError>(groups.size() == groups_.size(), name(), ": the state has ", groups.size(),
                    " parameter groups, the optimizer ", groups_.size());
  std::unordered_map<std::int64_t, const State*> by_number;
  for (const auto& [number, memory] : state.at("state").as_dict()) by_number[number.as_int()] = &memory;
  std::vector<std::vector<Memory>> memories(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const State::List& numbers = groups[g].at("params").as_list();
    const Tensors& parameters = groups_[g].parameters;
    check<ValueError>(numbers.size() == parameters.size(), name(), ": group ", g, " has ", numbers.size(),
                      " parameters in the state, ", parameters.size(), " in the optimizer");
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto found = by_number.find(numbers[i].as_int());
      memories[g].push_back(found == by_number.end() ? Memory() : read_memory(*found->second, parameters[i]));
    }
  }
  const State before = state_dict();
  const auto take_options = [this](const State::List& from) {
    for (std::size_t g = 0; g < from.size(); ++g) {
      auto fields = Fields::reading(from[g]);
      visit_options(g, fields);
    }
  };
  try {
    take_options(groups);
  } catch (...) {
    take_options(before.at("param_groups").as_list());
    throw;
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    State options = State::dict();
    auto fields = Fields::writing(options);
    visit_options(g, fields);
    groups_[g].extra = beside(groups[g], options);
    groups_[g].memories = std::move(memories[g]);
  }
}

}  // namespace taper::optim
