// Modules and parameters kept in order or by name.
#pragma once

#include <deque>

#include "taper/nn/activation.h"
#include "taper/nn/module.h"

namespace taper::nn {

/// Modules named "0", "1", ...: list.append<nn::Linear>(8, 8).
class ModuleList : public Module {
 public:
  /// Makes a module at the end.
  template <class M, class... Arguments>
  M& append(Arguments&&... arguments) {
    auto module = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    M& made = *module;
    append(std::move(module));
    return made;
  }
  void append(std::unique_ptr<Module> module);
  /// Throws IndexError.
  Module& operator[](std::size_t i) const;
  std::size_t size() const { return modules_.size(); }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }

 private:
  std::vector<std::unique_ptr<Module>> modules_;
};

/// Modules called one after another, named "0", "1", ...
class Sequential : public ModuleList {
 public:
  /// Appends a module made in place: net.add<nn::Linear>(784, 10).
  template <class M, class... Arguments>
  Sequential& add(Arguments&&... arguments) {
    append<M>(std::forward<Arguments>(arguments)...);
    return *this;
  }
  Sequential& add(std::function<Tensor(const Tensor&)> function) { return add<Lambda>(std::move(function)); }
  Tensor forward(const Tensor& x) override;
};

/// Modules by name, in the order in which they were added.
class ModuleDict : public Module {
 public:
  template <class M, class... Arguments>
  M& add(const std::string& name, Arguments&&... arguments) {
    auto module = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    M& made = *module;
    add(name, std::move(module));
    return made;
  }
  /// Throws ValueError for a name that is taken.
  void add(const std::string& name, std::unique_ptr<Module> module);
  /// Throws IndexError naming what there is.
  Module& operator[](const std::string& name) const;
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  std::size_t size() const { return modules_.size(); }

 private:
  Module* find(const std::string& name) const;
  std::vector<std::pair<std::string, std::unique_ptr<Module>>> modules_;
};

/// Parameters named "0", "1", ...
class ParameterList : public Module {
 public:
  Tensor& append(Tensor value);
  /// Throws IndexError.
  Tensor& operator[](std::size_t i) const;
  std::size_t size() const { return list_.size(); }

 private:
  std::vector<Tensor*> list_;
};

/// Parameters by name.
class ParameterDict : public Module {
 public:
  Tensor& add(const std::string& name, Tensor value);
  /// Throws IndexError naming what there is.
  Tensor& operator[](const std::string& name) const;
  std::size_t size() const { return list_.size(); }

 private:
  std::vector<std::pair<std::string, Tensor*>> list_;
};

}  // namespace taper::nn
