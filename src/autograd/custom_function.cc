// Operations with a gradient of the user's own, and checkpointing, which is one of them.
#include <algorithm>

#include "autograd/gradient_math.h"
#include "autograd/record.h"
#include "taper/autograd.h"
#include "taper/error.h"

namespace taper {

namespace {

// Lets the graph own a function that the user shares.
class FunctionNode final : public Node {
 public:
  FunctionNode(std::shared_ptr<CustomFunction> function, const Tensors& operands)
      : function_(std::move(function)) {
    for (const Tensor& operand : operands) {
      add_edge(operand);
      expected_.push_back(operand.defined() ? Expected{operand.sizes(), operand.dtype(), operand.device()}
                                            : Expected());
    }
  }
  const char* name() const override { return function_->name(); }
  Tensors backward(std::span<const Tensor> gradients) override {
    Tensors results = function_->backward(gradients);
    for (std::size_t i = 0; i < std::min(results.size(), expected_.size()); ++i)
      if (results[i].defined() && edges()[int(i)].defined()) results[i] = checked(results[i], i);
    return results;
  }
  bool release_saved() override { return function_->release_saved(); }
  Tensors saved_tensors() const override { return function_->saved_tensors(); }

 private:
  struct Expected {
    Shape sizes;
    DType dtype = float32;
    Device device;
  };

  // What other nodes get must have the shape of what they made.
  Tensor checked(const Tensor& result, std::size_t i) const {
    const Expected& operand = expected_[i];
    check<DeviceError>(result.device() == operand.device, name(), " backward: returned gradient ", i, " on ",
                       result.device(), " for an operand on ", operand.device);
    if (result.sizes() == operand.sizes && result.dtype() == operand.dtype) return result;
    Tensor fitted = fitted_gradient(result, operand.sizes, operand.dtype);
    check<ShapeError>(fitted.defined(), name(), " backward: returned gradient ", i, " of shape ",
                      result.sizes(), " for an operand of shape ", operand.sizes);
    return fitted;
  }

  std::shared_ptr<CustomFunction> function_;
  std::vector<Expected> expected_;
};

}  // namespace

Tensors CustomFunction::apply(std::shared_ptr<CustomFunction> function, const Tensors& operands) {
  const bool recorded = thread_modes.grad_enabled && wants_grad(operands);
  Tensors results;
  {
    const NoGrad forward_is_one_step;
    results = function->forward(operands);
  }
  if (!recorded) return results;
  // A result that is an operand would become its own ancestor; one that has a history would lose it.
  for (Tensor& result : results) {
    bool known = result.defined() && result.requires_grad();
    for (const Tensor& operand : operands) known = known || result.is(operand);
    if (known) result = result.detach();
  }
  auto* node = new FunctionNode(function, operands);
  std::uint32_t index = 0;
  for (const Tensor& result : results) {
    const auto& excluded = function->non_differentiable_;
    if (std::find(excluded.begin(), excluded.end(), result.record()) == excluded.end())
      detail::attach(result, node, index);
    ++index;
  }
  node->set_outputs(int(index));
  release_node(node);
  return results;
}

void CustomFunction::save(const Tensors& tensors) {
  saved_ = tensors;
  versions_.clear();
  for (const Tensor& tensor : saved_) versions_.push_back(tensor.defined() ? tensor.version() : 0);
}

Tensors CustomFunction::saved() const {
  check<AutogradError>(
      saved_.size() == versions_.size(), name(),
      " backward: its saved tensors were freed by an earlier backward(); pass retain_graph=True");
  for (std::size_t i = 0; i < saved_.size(); ++i)
    check<AutogradError>(!saved_[i].defined() || saved_[i].version() == versions_[i], name(),
                         " backward: a tensor of shape ", saved_[i].defined() ? saved_[i].sizes() : Shape(),
                         " that it saved was modified by an inplace operation since");
  return saved_;
}

bool CustomFunction::release_saved() {
  saved_.clear();
  return !versions_.empty();
}

void CustomFunction::mark_non_differentiable(const Tensor& result) {
  non_differentiable_.push_back(result.record());
}

namespace {

class Checkpoint final : public CustomFunction {
 public:
  explicit Checkpoint(std::function<Tensors(const Tensors&)> function) : function_(std::move(function)) {}
  const char* name() const override { return "checkpoint"; }

  Tensors forward(const Tensors& operands) override {
    save(operands);
    return function_(operands);
  }

  Tensors backward(std::span<const Tensor> gradients) override {
    Tensors inputs;
    for (const Tensor& operand : saved()) {
      inputs.push_back(operand.defined() ? operand.detach() : operand);
      if (operand.defined() && operand.requires_grad()) inputs.back().requires_grad_();
    }
    Tensors outputs;
    {
      const EnableGrad second_run;
      outputs = function_(inputs);
    }
    Tensors roots, root_gradients;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!gradients[i].defined() || !outputs[i].requires_grad()) continue;
      roots.push_back(outputs[i]);
      root_gradients.push_back(gradients[i]);
    }
    taper::backward(roots, root_gradients);
    Tensors results;
    for (const Tensor& input : inputs) results.push_back(input.defined() ? input.grad() : Tensor());
    return results;
  }

 private:
  std::function<Tensors(const Tensors&)> function_;
};

}  // namespace

Tensors checkpoint(std::function<Tensors(const Tensors&)> function, const Tensors& inputs) {
  return CustomFunction::apply(std::make_shared<Checkpoint>(std::move(function)), inputs);
}

}  // namespace taper
