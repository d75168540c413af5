// Modules and parameters kept in order or by name.
#include "taper/nn/container.h"

#include "taper/error.h"

namespace taper::nn {

void ModuleList::append(std::unique_ptr<Module> module) {
  register_module(std::to_string(modules_.size()), *module);
  modules_.push_back(std::move(module));
}

Module& ModuleList::operator[](std::size_t i) const {
  check<IndexError>(i < modules_.size(), "ModuleList: index ", i, " is out of range; there are ",
                    modules_.size(), " modules");
  return *modules_[i];
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& module : *this) y = (*module)(y);
  return y;
}

void ModuleDict::add(const std::string& name, std::unique_ptr<Module> module) {
  check<ValueError>(!contains(name), "ModuleDict: there is already a module '", name, "'");
  register_module(name, *module);
  modules_.emplace_back(name, std::move(module));
}

Module* ModuleDict::find(const std::string& name) const {
  for (const auto& [known, module] : modules_)
    if (known == name) return module.get();
  return nullptr;
}

Module& ModuleDict::operator[](const std::string& name) const {
  if (Module* module = find(name)) return *module;
  std::string names;
  for (const auto& entry : modules_) names += " " + entry.first;
  fail<IndexError>("ModuleDict: no module '", name, "'; there are:", names);
}

Tensor& ParameterList::append(Tensor value) {
  list_.push_back(&register_parameter(std::to_string(list_.size()), std::move(value)));
  return *list_.back();
}

Tensor& ParameterList::operator[](std::size_t i) const {
  check<IndexError>(i < list_.size(), "ParameterList: index ", i, " is out of range; there are ",
                    list_.size(), " parameters");
  return *list_[i];
}

Tensor& ParameterDict::add(const std::string& name, Tensor value) {
  list_.emplace_back(name, &register_parameter(name, std::move(value)));
  return *list_.back().second;
}

Tensor& ParameterDict::operator[](const std::string& name) const {
  std::string names;
  for (const auto& [known, tensor] : list_) {
    if (known == name) return *tensor;
    names += " " + known;
  }
  fail<IndexError>("ParameterDict: no parameter '", name, "'; there are:", names);
}

}  // namespace taper::nn
