// Registration, traversal, state, hooks and printing of modules.
#include "taper/nn/module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <typeinfo>
#include <unordered_set>

#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::nn {

Tensor& Module::register_parameter(std::string name, Tensor value) {
  value.record()->parameter = true;
  value.requires_grad_();
  parameters_.emplace_back(std::move(name), std::make_unique<Tensor>(std::move(value)));
  return *parameters_.back().second;
}

Tensor& Module::register_buffer(std::string name, Tensor value) {
  buffers_.emplace_back(std::move(name), std::make_unique<Tensor>(std::move(value)));
  return *buffers_.back().second;
}

void Module::register_module(std::string name, Module& child) {
  children_.emplace_back(std::move(name), &child);
}

Tensor Module::forward(const Tensor&) {
  fail<NotImplementedError>(name(), ": has no forward() of one tensor; call it with the arguments it takes");
}

namespace {

// Once each, though several names may lead to one.
Tensors without_names(const NamedTensors& named) {
  Tensors all;
  std::unordered_set<const TensorRecord*> seen;
  for (const auto& [name, tensor] : named)
    if (seen.insert(tensor.record()).second) all.push_back(tensor);
  return all;
}

}  // namespace

NamedTensors Module::named_parameters(const std::string& prefix) const {
  NamedTensors all;
  for (const auto& [name, tensor] : parameters_) all.emplace_back(prefix + name, *tensor);
  for (const auto& [name, child] : children_)
    for (auto& entry : child->named_parameters(prefix + name + ".")) all.push_back(std::move(entry));
  return all;
}

NamedTensors Module::named_buffers(const std::string& prefix) const {
  NamedTensors all;
  for (const auto& [name, tensor] : buffers_) all.emplace_back(prefix + name, *tensor);
  for (const auto& [name, child] : children_)
    for (auto& entry : child->named_buffers(prefix + name + ".")) all.push_back(std::move(entry));
  return all;
}

Tensors Module::parameters() const { return without_names(named_parameters()); }
Tensors Module::buffers() const { return without_names(named_buffers()); }

std::vector<std::pair<std::string, Module*>> Module::named_modules(const std::string& prefix) {
  std::vector<std::pair<std::string, Module*>> all{{prefix, this}};
  for (const auto& [name, child] : children_)
    for (auto& entry : child->named_modules(prefix.empty() ? name : prefix + "." + name))
      all.push_back(std::move(entry));
  return all;
}

NamedTensors Module::state_dict(const std::string& prefix) const {
  NamedTensors all;
  for (const auto& [name, tensor] : parameters_) all.emplace_back(prefix + name, tensor->detach());
  for (const auto& [name, tensor] : buffers_) all.emplace_back(prefix + name, tensor->detach());
  for (const auto& [name, child] : children_)
    for (auto& entry : child->state_dict(prefix + name + ".")) all.push_back(std::move(entry));
  return all;
}

void Module::load_state_dict(const NamedTensors& state, bool strict) {
  const NamedTensors own = state_dict();
  std::vector<std::pair<Tensor, Tensor>> copies;
  std::string problems;
  const auto find = [](const NamedTensors& list, const std::string& name) {
    for (const auto& entry : list)
      if (entry.first == name) return &entry.second;
    return static_cast<const Tensor*>(nullptr);
  };
  for (const auto& [name, tensor] : own) {
    const Tensor* source = find(state, name);
    if (!source) {
      if (strict) problems += concat("\n  missing: ", name);
    } else if (source->sizes() != tensor.sizes()) {
      problems += concat("\n  ", name, " has shape ", source->sizes(), " in the state and ", tensor.sizes(),
                         " in the module");
    } else {
      copies.emplace_back(tensor, *source);
    }
  }
  if (strict)
    for (const auto& entry : state)
      if (!find(own, entry.first)) problems += concat("\n  unexpected: ", entry.first);
  check<ValueError>(problems.empty(), "load_state_dict: the state does not fit the module:", problems);
  const NoGrad in_place;
  for (const auto& [target, source] : copies) copy_(target, source);
}

void Module::train(bool mode) {
  training_ = mode;
  for (auto& [name, child] : children_) child->train(mode);
}

void Module::zero_grad() {
  for (const Tensor& parameter : parameters()) parameter.set_grad(Tensor());
}

void Module::requires_grad_(bool requires_grad) {
  for (const Tensor& parameter : parameters()) parameter.requires_grad_(requires_grad);
}

void Module::to(DType dtype) {
  check<DTypeError>(is_floating_point(dtype) || is_complex(dtype),
                    "Module::to: needs a floating or complex dtype, got ", dtype);
  replace_tensors(
      [dtype](const Tensor& x) { return x.is_floating_point() || x.is_complex() ? taper::to(x, dtype) : x; });
}

void Module::to(Device device) {
  replace_tensors([device](const Tensor& x) { return taper::to(x, device); });
}

void Module::replace_tensors(const std::function<Tensor(const Tensor&)>& replacement) {
  for (auto& [name, tensor] : parameters_) {
    const Tensor old = tensor->detach(), fresh = replacement(old);
    if (fresh.is(old)) continue;
    const bool requires_grad = tensor->requires_grad();
    *tensor = fresh;
    tensor->record()->parameter = true;
    tensor->requires_grad_(requires_grad);
  }
  for (auto& [name, tensor] : buffers_) *tensor = replacement(*tensor);
  for (auto& [name, child] : children_) child->replace_tensors(replacement);
}

void Module::apply(const std::function<void(Module&)>& function) {
  for (auto& [name, child] : children_) child->apply(function);
  function(*this);
}

Module::Hooks& Module::hooks() {
  if (!hooks_) hooks_ = std::make_unique<Hooks>();
  return *hooks_;
}

std::int64_t Module::register_forward_pre_hook(PreHook hook) {
  hooks().before.emplace_back(hooks().next, std::move(hook));
  return hooks_->next++;
}
std::int64_t Module::register_forward_hook(Hook hook) {
  hooks().after.emplace_back(hooks().next, std::move(hook));
  return hooks_->next++;
}
std::int64_t Module::register_full_backward_hook(BackwardHook hook) {
  hooks().backward.emplace_back(hooks().next, std::move(hook));
  return hooks_->next++;
}

void Module::remove_hook(std::int64_t number) {
  if (!hooks_) return;
  const auto has_number = [&](const auto& entry) { return entry.first == number; };
  std::erase_if(hooks_->before, has_number);
  std::erase_if(hooks_->after, has_number);
  std::erase_if(hooks_->backward, has_number);
}

Tensor Module::forward_hooked(const Tensor& x) {
  const auto before = hooks_->before;
  const auto after = hooks_->after;
  const auto backward = hooks_->backward;
  Tensor input = x;
  for (const auto& [number, hook] : before) hook(*this, input);
  // Seen under a name of its own, the input's gradient is that of this module's use of it alone.
  if (!backward.empty() && input.requires_grad()) input = view(input, input.sizes());
  Tensor output = forward(input);
  for (const auto& [number, hook] : after) hook(*this, input, output);
  if (backward.empty() || !output.requires_grad()) return output;
  if (!input.requires_grad()) {
    output.register_hook([this, backward](const Tensor& gradient) {
      for (const auto& [number, hook] : backward) hook(*this, Tensor(), gradient);
      return Tensor();
    });
    return output;
  }
  const auto arrived = std::make_shared<Tensor>();
  output.register_hook([arrived](const Tensor& gradient) { return *arrived = gradient, Tensor(); });
  input.register_hook([this, backward, arrived](const Tensor& gradient) {
    for (const auto& [number, hook] : backward) hook(*this, gradient, *arrived);
    *arrived = Tensor();
    return Tensor();
  });
  return output;
}

std::string Module::name() const {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? text.get() : typeid(*this).name();
  const auto arguments = name.find('<');
  const auto scope = name.rfind("::", arguments);
  return scope == std::string::npos ? name : name.substr(scope + 2);
}

std::string to_string(const Module& module) {
  std::string text = module.name() + "(";
  const auto children = module.named_children();
  const std::string extra = module.extra_repr();
  if (children.empty()) return text + extra + ")";
  if (!extra.empty()) text += "\n  " + extra;
  for (const auto& [name, child] : children) {
    std::string inner = to_string(*child);
    for (std::size_t at = 0; (at = inner.find('\n', at)) != std::string::npos; at += 3)
      inner.replace(at, 1, "\n  ");
    text += "\n  (" + name + "): " + inner;
  }
  return text + "\n)";
}

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << to_string(module); }

}  // namespace taper::nn
