// Registration, traversal and state of modules, and the layers.
#include "taper/nn.h"

#include <cmath>

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

NamedTensors Module::named_parameters(const std::string& prefix) const {
  NamedTensors all;
  for (const auto& [name, tensor] : parameters_) all.emplace_back(prefix + name, *tensor);
  for (const auto& [name, child] : children_)
    for (auto& entry : child->named_parameters(prefix + name + ".")) all.push_back(std::move(entry));
  return all;
}

Tensors Module::parameters() const {
  Tensors all;
  for (auto& [name, tensor] : named_parameters()) all.push_back(tensor);
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

namespace {

Tensor uniform(const Shape& sizes, double bound) { return uniform_(empty(sizes), -bound, bound); }

std::int64_t fan_in(std::int64_t in_channels, const ConvOptions& options, const Shape& kernel) {
  return in_channels / options.groups * numel(kernel);
}

Shape weight_sizes(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
                   std::int64_t groups) {
  check<ValueError>(groups > 0 && in_channels % groups == 0 && out_channels % groups == 0,
                    "Conv2d: channels ", in_channels, " and ", out_channels,
                    " are not divisible by groups=", groups);
  Shape sizes{out_channels, in_channels / groups};
  for (int i = 0; i < 2; ++i) sizes.push_back(kernel[kernel.size() == 1 ? 0 : i]);
  return sizes;
}

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool bias)
    : weight(register_parameter("weight",
                                uniform({out_features, in_features},
                                        1 / std::sqrt(double(std::max<std::int64_t>(in_features, 1)))))) {
  if (bias)
    bias_ = &register_parameter(
        "bias", uniform({out_features}, 1 / std::sqrt(double(std::max<std::int64_t>(in_features, 1)))));
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias_ ? *bias_ : Tensor()); }

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel_size,
               ConvOptions options)
    : weight(register_parameter(
          "weight",
          Tensor(uniform(
              weight_sizes(in_channels, out_channels, kernel_size, options.groups),
              1 / std::sqrt(double(fan_in(
                      in_channels, options,
                      Shape(weight_sizes(in_channels, out_channels, kernel_size, options.groups).data() + 2,
                            2)))))))),
      options_(options) {
  const double bound = 1 / std::sqrt(double(numel(weight.sizes()) / out_channels));
  if (options.bias) bias_ = &register_parameter("bias", uniform({out_channels}, bound));
}

Tensor Conv2d::forward(const Tensor& x) {
  return convolution(x, weight, bias_ ? *bias_ : Tensor(), options_.stride, options_.padding,
                     options_.dilation, options_.groups);
}

BatchNorm::BatchNorm(std::int64_t channels, double eps, double momentum)
    : weight_(register_parameter("weight", ones({channels}))),
      bias_(register_parameter("bias", zeros({channels}))),
      running_mean_(register_buffer("running_mean", zeros({channels}))),
      running_var_(register_buffer("running_var", ones({channels}))),
      batches_(register_buffer("num_batches_tracked", zeros({}, int64))),
      eps_(eps),
      momentum_(momentum) {}

Tensor BatchNorm::forward(const Tensor& x) {
  if (is_training()) add_(batches_, 1);
  return batch_norm(x, running_mean_, running_var_, weight_, bias_, is_training(), momentum_, eps_);
}

LayerNorm::LayerNorm(Shape normalized_shape, double eps)
    : normalized_(std::move(normalized_shape)),
      weight_(register_parameter("weight", ones(normalized_))),
      bias_(register_parameter("bias", zeros(normalized_))),
      eps_(eps) {}

Tensor LayerNorm::forward(const Tensor& x) { return layer_norm(x, normalized_, weight_, bias_, eps_); }

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p_, is_training()); }

void Sequential::append(std::unique_ptr<Module> module) {
  register_module(std::to_string(modules_.size()), *module);
  modules_.push_back(std::move(module));
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (auto& module : modules_) y = (*module)(y);
  return y;
}

}  // namespace taper::nn
