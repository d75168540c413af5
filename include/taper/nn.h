// Modules: layers that own parameters, and networks made of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "taper/io.h"
#include "taper/tensor.h"

namespace taper::nn {

/// A layer or network. Parameters, buffers and modules are registered under names, which give the paths in
/// state_dict().
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  /// What calling the module computes.
  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }

  /// All parameters, those of children included, in the order of registration.
  Tensors parameters() const;
  NamedTensors named_parameters(const std::string& prefix = "") const;
  /// Parameters and buffers by their paths: the same names as in Python.
  NamedTensors state_dict(const std::string& prefix = "") const;
  /// Copies tensors by their paths into parameters and buffers. Throws ValueError naming missing, unexpected
  /// (if strict) and misshapen entries; then nothing was changed.
  void load_state_dict(const NamedTensors& state, bool strict = true);
  /// Sets training mode of this module and all below.
  void train(bool mode = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }
  void zero_grad();

 protected:
  Tensor& register_parameter(std::string name, Tensor value);
  Tensor& register_buffer(std::string name, Tensor value);
  /// child must live as long as this module: usually a member.
  void register_module(std::string name, Module& child);

 private:
  std::vector<std::pair<std::string, std::unique_ptr<Tensor>>> parameters_, buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  bool training_ = true;
};

/// x [..., in] -> [..., out]: x W^T + b. W and b uniform in +-1 / sqrt(in).
class Linear : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, bool bias = true);
  Tensor forward(const Tensor& x) override;
  Tensor& weight;

 private:
  Tensor* bias_ = nullptr;
};

/// Options of convolutions with PyTorch's defaults.
struct ConvOptions {
  Shape stride = {1}, padding = {0}, dilation = {1};
  std::int64_t groups = 1;
  bool bias = true;
};

/// x [N, C, H, W] -> [N, O, H', W'].
class Conv2d : public Module {
 public:
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel_size,
         ConvOptions options = {});
  Tensor forward(const Tensor& x) override;
  Tensor& weight;

 private:
  ConvOptions options_;
  Tensor* bias_ = nullptr;
};

/// Normalization over the batch: [N, C, ...].
class BatchNorm : public Module {
 public:
  explicit BatchNorm(std::int64_t channels, double eps = 1e-5, double momentum = 0.1);
  Tensor forward(const Tensor& x) override;

 private:
  Tensor &weight_, &bias_, &running_mean_, &running_var_;
  Tensor& batches_;
  double eps_, momentum_;
};

/// Normalization over the last dimensions.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(Shape normalized_shape, double eps = 1e-5);
  Tensor forward(const Tensor& x) override;

 private:
  Shape normalized_;
  Tensor &weight_, &bias_;
  double eps_;
};

/// Zeroes elements with probability p while training.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5) : p_(p) {}
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

/// A function as a module: activations, pools, reshapes.
class Lambda : public Module {
 public:
  explicit Lambda(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {}
  Tensor forward(const Tensor& x) override { return function_(x); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

/// Modules called one after another, named "0", "1", ...
class Sequential : public Module {
 public:
  /// Appends a module made in place: net.add<nn::Linear>(784, 10).
  template <class M, class... Arguments>
  Sequential& add(Arguments&&... arguments) {
    append(std::make_unique<M>(std::forward<Arguments>(arguments)...));
    return *this;
  }
  Sequential& add(std::function<Tensor(const Tensor&)> function) { return add<Lambda>(std::move(function)); }
  void append(std::unique_ptr<Module> module);
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<std::unique_ptr<Module>> modules_;
};

}  // namespace taper::nn
