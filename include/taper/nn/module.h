// Module: what layers and networks have in common.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "taper/io.h"
#include "taper/tensor.h"

namespace taper::nn {

/// One size for every spatial dimension, or one for each: 3 or {3, 5}.
class Extent : public Shape {
 public:
  Extent(std::integral auto size) : Shape{std::int64_t(size)} {}
  Extent(std::initializer_list<std::int64_t> sizes) : Shape(sizes) {}
  Extent(const Shape& sizes) : Shape(sizes) {}
};

/// A layer or network. Parameters, buffers and modules are registered under names, which give the paths in
/// state_dict(): the same as in Python, so that a file of weights serves both languages.
class Module {
 public:
  /// May replace the input.
  using PreHook = std::function<void(Module&, Tensor& input)>;
  /// May replace the output.
  using Hook = std::function<void(Module&, const Tensor& input, Tensor& output)>;
  /// Called in backward with the gradients of output and input; an undefined one did not arrive.
  using BackwardHook = std::function<void(Module&, const Tensor& grad_input, const Tensor& grad_output)>;

  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// What calling the module computes. Modules that take other arguments have a forward() and operator() of
  /// their own; this one then throws NotImplementedError.
  virtual Tensor forward(const Tensor& x);
  /// forward(), with the hooks.
  Tensor operator()(const Tensor& x) { return hooks_ ? forward_hooked(x) : forward(x); }

  /// All parameters, those of children included, in the order of registration; each once.
  Tensors parameters() const;
  Tensors buffers() const;
  NamedTensors named_parameters(const std::string& prefix = "") const;
  NamedTensors named_buffers(const std::string& prefix = "") const;
  /// This module under prefix, and all below it by their paths.
  std::vector<std::pair<std::string, Module*>> named_modules(const std::string& prefix = "");
  std::vector<std::pair<std::string, Module*>> named_children() const { return children_; }
  /// Parameters and buffers by their paths.
  NamedTensors state_dict(const std::string& prefix = "") const;
  /// Copies tensors by their paths into parameters and buffers. Throws ValueError naming missing, unexpected
  /// (if strict) and misshapen entries; then nothing was changed.
  void load_state_dict(const NamedTensors& state, bool strict = true);

  /// Sets training mode of this module and all below.
  void train(bool mode = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }
  void zero_grad();
  void requires_grad_(bool requires_grad = true);
  /// Converts floating parameters and buffers. Optimizers made before keep the old ones.
  void to(DType dtype);
  /// Moves parameters and buffers. Optimizers made before keep the old ones. Throws DeviceError where there
  /// is no such device.
  void to(Device device);
  /// Calls function on all modules below, then on this one.
  void apply(const std::function<void(Module&)>& function);

  /// Hooks of this module's operator(). The number returned removes them again.
  std::int64_t register_forward_pre_hook(PreHook hook);
  std::int64_t register_forward_hook(Hook hook);
  std::int64_t register_full_backward_hook(BackwardHook hook);
  void remove_hook(std::int64_t number);

  /// The class's name, and what stands between its parentheses when it is printed.
  virtual std::string name() const;
  virtual std::string extra_repr() const { return ""; }

 protected:
  /// value becomes a leaf that requires a gradient. The reference stays valid as long as the module.
  Tensor& register_parameter(std::string name, Tensor value);
  Tensor& register_buffer(std::string name, Tensor value);
  /// child must live as long as this module: usually a member.
  void register_module(std::string name, Module& child);

 private:
  using Owned = std::vector<std::pair<std::string, std::unique_ptr<Tensor>>>;
  struct Hooks {
    std::int64_t next = 0;
    std::vector<std::pair<std::int64_t, PreHook>> before;
    std::vector<std::pair<std::int64_t, Hook>> after;
    std::vector<std::pair<std::int64_t, BackwardHook>> backward;
  };
  Hooks& hooks();
  void replace_tensors(const std::function<Tensor(const Tensor&)>& replacement);
  Tensor forward_hooked(const Tensor& x);

  Owned parameters_, buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  std::unique_ptr<Hooks> hooks_;
  bool training_ = true;
};

/// The module as PyTorch prints it.
std::string to_string(const Module& module);
std::ostream& operator<<(std::ostream& out, const Module& module);

}  // namespace taper::nn
