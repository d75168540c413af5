// Tensors that an operation keeps for its backward, watched for overwriting.
#include "autograd/saved.h"

#include "autograd/gradient_math.h"
#include "autograd/moved.h"
#include "autograd/record.h"
#include "autograd/saved_hooks.h"
#include "taper/error.h"
#include "tensor/layout.h"

namespace taper {

namespace {

thread_local std::shared_ptr<const SavedHooks> saved_hooks;

/// What stands for a packed tensor, in the storage of an empty placeholder.
struct Packed {
  std::shared_ptr<void> content;
  std::shared_ptr<const SavedHooks> hooks;
  Shape sizes, strides;
  Device device;
  Node* history;
  std::uint32_t output_index;
};

void release_packed(void* context) {
  auto* packed = static_cast<Packed*>(context);
  if (packed->history) release_node(packed->history);
  delete packed;
}

// Leaves that want a gradient live on anyway and keep their identity.
bool worth_packing(const Tensor& tensor) {
  return !(tensor.requires_grad() && !tensor.record()->grad_fn) && tensor.numel() > 0;
}

Tensor packed(const Tensor& tensor) {
  const std::shared_ptr<const SavedHooks> hooks = set_saved_hooks(nullptr);
  Node* history = tensor.record()->grad_fn;
  auto content =
      std::make_unique<Packed>(Packed{hooks->pack(tensor.detach()), hooks, tensor.sizes(), tensor.strides(),
                                      tensor.device(), history, tensor.record()->output_index});
  if (history) history->retain();
  set_saved_hooks(hooks);
  return from_blob(nullptr, {0}, {1}, tensor.dtype(), release_packed, content.release());
}

Tensor unpacked(const Tensor& placeholder) {
  const auto& packed = *static_cast<Packed*>(placeholder.storage().context);
  Tensor tensor = packed.hooks->unpack(packed.content);
  check<AutogradError>(tensor.defined(),
                       "saved_tensors_hooks: unpack_hook must give back a tensor, got none");
  check<AutogradError>(tensor.dtype() == placeholder.dtype() && tensor.sizes() == packed.sizes &&
                           tensor.device() == packed.device,
                       "saved_tensors_hooks: unpack_hook gave back a tensor of shape ", tensor.sizes(), ", ",
                       tensor.dtype(), " on ", tensor.device(), ", expected shape ", packed.sizes, ", ",
                       placeholder.dtype(), " on ", packed.device);
  // Operations may count on the layout of what they saved.
  if (tensor.strides() != packed.strides && is_dense(packed.sizes, packed.strides))
    tensor = plain_copy(tensor, empty_strided(packed.sizes, packed.strides, tensor.dtype(), tensor.device()));
  if (!packed.history) return tensor;
  tensor = tensor.detach();
  detail::attach(tensor, packed.history, packed.output_index);
  return tensor;
}

}  // namespace

std::shared_ptr<const SavedHooks> set_saved_hooks(std::shared_ptr<const SavedHooks> hooks) {
  return std::exchange(saved_hooks, std::move(hooks));
}

void SavedEntry::keep_input(const Tensor& operand) {
  present = operand.defined();
  if (!present) return;
  check<AutogradError>(
      !operand.record()->inference,
      "backward: a tensor made under inference_mode cannot be saved for backward; clone() it first");
  if (saved_hooks && worth_packing(operand)) [[unlikely]] {
    tensor = packed(operand);
    version = tensor.version();
    return;
  }
  tensor = operand;
  version = operand.version();
}

void SavedEntry::keep_output(const Tensor& result, std::uint32_t index) {
  present = result.defined();
  if (!present) return;
  output = true;
  output_index = index;
  tensor = window(result, result.sizes(), result.strides(), result.storage_offset());
  if (saved_hooks && result.numel() > 0) [[unlikely]]
    tensor = packed(tensor);
  version = tensor.version();
}

Tensor SavedEntry::unpack(const Node& node) const {
  if (!present) return {};
  check<AutogradError>(
      tensor.defined(), node.name(),
      " backward: the graph was already freed by an earlier backward(); pass retain_graph=True to the "
      "first one to go through it a second time");
  if (tensor.version() != version) [[unlikely]] {
    const char* writer = tensor.storage().last_writer;
    fail<AutogradError>(node.name(), " backward: a tensor of shape ", tensor.sizes(), " that ", node.name(),
                        " saved was modified by an inplace operation since: ", writer ? writer : "a write",
                        "; it is at version ", tensor.version(), ", expected version ", version,
                        "; use the operation that returns a new tensor, or clone() before it",
                        node.origin().empty() ? "" : "\nsaved by the call at:\n", node.origin());
  }
  const bool is_packed = tensor.storage().release == release_packed;
  if (!output) return is_packed ? unpacked(tensor) : was_moved(tensor) ? moved(tensor) : tensor;
  const Tensor& content = is_packed ? unpacked(tensor) : tensor;
  Tensor again = window(content, content.sizes(), content.strides(), content.storage_offset());
  detail::attach(again, const_cast<Node*>(&node), output_index);
  return again;
}

}  // namespace taper
