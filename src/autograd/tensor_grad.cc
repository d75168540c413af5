// The autograd side of Tensor: requires_grad, .grad, hooks, history of views.
#include <array>
#include <atomic>
#include <mutex>

#include "autograd/gradient_math.h"
#include "autograd/history.h"
#include "autograd/record.h"
#include "autograd/slots.h"
#include "taper/error.h"
#include "taper/tensor.h"
#include "tensor/layout.h"

namespace taper {

namespace {

// Leaves share a few locks: two threads adding to the same .grad must not lose an addition.
std::mutex& leaf_lock(const TensorRecord* record) {
  static std::array<std::mutex, 64> locks;
  return locks[(reinterpret_cast<std::uintptr_t>(record) >> 6) % locks.size()];
}

std::atomic<bool> accumulated_hooks_made = false;

}  // namespace

bool accumulated_hooks_exist() { return accumulated_hooks_made.load(std::memory_order_relaxed); }

GradientSlots& slots_of(const Tensor& tensor) {
  GradientSlots*& slots = tensor.record()->slots;
  if (!slots) slots = new GradientSlots;
  return *slots;
}

const Tensor& Tensor::requires_grad_(bool value) const {
  check<AutogradError>(value || is_leaf(),
                       "requires_grad_: only a leaf can be told not to require a gradient; "
                       "this tensor is the result of an operation; use detach()");
  check<DTypeError>(
      !value || is_differentiable(dtype()),
      "requires_grad_: only tensors of floating point and complex dtype can require gradients, got ",
      dtype());
  check<AutogradError>(
      !value || !record_->inference,
      "requires_grad_: a tensor made under inference_mode cannot require a gradient; clone() it first");
  record_->requires_grad = value;
  return *this;
}

Tensor Tensor::grad() const {
  if (!record_->slots) return {};
  return record_->slots->retained ? *record_->slots->retained : record_->slots->grad;
}

void Tensor::set_grad(const Tensor& gradient) const {
  if (!gradient.defined()) {
    if (record_->slots) {
      record_->slots->grad = Tensor();
      if (record_->slots->retained) *record_->slots->retained = Tensor();
    }
    return;
  }
  check<ShapeError>(gradient.sizes() == sizes(), "grad: a gradient of shape ", gradient.sizes(),
                    " does not fit a tensor of shape ", sizes());
  check<DTypeError>(gradient.dtype() == dtype(), "grad: a gradient of dtype ", gradient.dtype(),
                    " does not fit a tensor of dtype ", dtype());
  check<DeviceError>(gradient.device() == device(), "grad: a gradient on ", gradient.device(),
                     " does not fit a tensor on ", device());
  slots_of(*this).grad = gradient;
}

Node* Tensor::grad_fn() const {
  if (record_->base && record_->base->history != record_->base_history) refresh_view_history(*this);
  return record_->grad_fn;
}

static void keep_gradient(const Tensor& tensor, Node& node, std::uint32_t output_index) {
  GradientSlots& slots = slots_of(tensor);
  slots.retaining_hook =
      node.register_output_hook(output_index, [retained = slots.retained](const Tensor& gradient) {
        *retained = retained->defined() ? add_gradients(*retained, gradient) : gradient;
        return Tensor();
      });
}

void Tensor::retain_grad() const {
  check<AutogradError>(requires_grad(), "retain_grad: this tensor does not require a gradient");
  if (is_leaf() || slots_of(*this).retained) return;
  // Shared with the hook, which lives in the node and may outlive this tensor.
  auto retained = std::make_shared<Tensor>();
  record_->slots->retained = retained;
  keep_gradient(*this, *grad_fn(), record_->output_index);
}

std::int64_t Tensor::register_hook(GradientHook hook) const {
  check<AutogradError>(requires_grad(), "register_hook: this tensor does not require a gradient");
  if (Node* node = grad_fn()) {
    const std::int64_t number = node->register_output_hook(record_->output_index, std::move(hook));
    // What is retained is the gradient that the hooks leave, so its hook stays the last.
    if (record_->slots && record_->slots->retained) {
      node->remove_hook(record_->slots->retaining_hook);
      keep_gradient(*this, *node, record_->output_index);
    }
    return number;
  }
  auto& hooks = slots_of(*this).hooks;
  hooks.emplace_back(next_hook_number(), std::move(hook));
  return hooks.back().first;
}

std::int64_t Tensor::register_post_accumulate_grad_hook(std::function<void(const Tensor&)> hook) const {
  check<AutogradError>(is_leaf() && requires_grad(),
                       "register_post_accumulate_grad_hook: needs a leaf that requires a gradient");
  accumulated_hooks_made = true;
  auto& hooks = slots_of(*this).accumulated_hooks;
  hooks.emplace_back(next_hook_number(), std::move(hook));
  return hooks.back().first;
}

void Tensor::remove_hook(std::int64_t number) const {
  const auto matches = [number](const auto& entry) { return entry.first == number; };
  if (record_->grad_fn) record_->grad_fn->remove_hook(number);
  if (!record_->slots) return;
  std::erase_if(record_->slots->hooks, matches);
  std::erase_if(record_->slots->accumulated_hooks, matches);
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  taper::backward({*this}, {gradient}, retain_graph, create_graph);
}

Tensor Tensor::detach() const {
  Tensor result = window(*this, sizes(), strides(), storage_offset());
  result.record()->wrapped_number = record_->wrapped_number;
  return result;
}

const Tensor& Tensor::detach_() const {
  check<AutogradError>(!record_->base, "detach_: a view cannot be detached in place; use detach()");
  if (record_->grad_fn) release_node(record_->grad_fn);
  record_->grad_fn = nullptr;
  record_->requires_grad = false;
  ++record_->history;
  return *this;
}

Tensor hooked(const GradientHook& hook, Tensor gradient) {
  Tensor replacement = hook(gradient);
  if (!replacement.defined()) return gradient;
  check<ShapeError>(replacement.sizes() == gradient.sizes(), "hook: the gradient has shape ",
                    gradient.sizes(), ", but what the hook returned has shape ", replacement.sizes());
  check<DTypeError>(replacement.dtype() == gradient.dtype(), "hook: the gradient is of ", gradient.dtype(),
                    ", but what the hook returned is of ", replacement.dtype());
  check<DeviceError>(replacement.device() == gradient.device(), "hook: the gradient is on ",
                     gradient.device(), ", but what the hook returned is on ", replacement.device());
  return replacement;
}

void accumulate_grad(const Tensor& leaf, Tensor gradient, bool create_graph) {
  TensorRecord* record = leaf.record();
  if (record->slots) {
    const auto hooks = record->slots->hooks;  // which a hook may change
    for (const auto& [number, hook] : hooks) gradient = hooked(hook, std::move(gradient));
  }
  {
    const std::lock_guard lock(leaf_lock(record));
    Tensor& grad = slots_of(leaf).grad;
    if (!grad.defined()) {
      const bool own = gradient.record()->references.load() == 1 && gradient.is_contiguous() &&
                       !gradient.record()->base && gradient.record()->storage->references.load() == 1;
      if (create_graph) grad = gradient;
      else if (own && !gradient.requires_grad()) grad = std::move(gradient);
      else grad = plain_copy(gradient, leaf);
    } else if (create_graph) {
      grad = add_gradients(grad, gradient);
    } else {
      add_into_gradient(grad, gradient);
    }
  }
  if (record->slots->accumulated_hooks.empty()) return;
  const auto hooks = record->slots->accumulated_hooks;
  for (const auto& [number, hook] : hooks) hook(leaf);
}

}  // namespace taper
