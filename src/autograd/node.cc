// Nodes of the tape: edges, hooks, saved tensors, and freeing without recursion.
#include <vector>

#include "autograd/record.h"
#include "autograd/slots.h"
#include "base/free_in_turn.h"
#include "cpu/allocator.h"
#include "taper/error.h"
#include "tensor/layout.h"

namespace taper {

thread_local ThreadModes thread_modes __attribute__((tls_model("initial-exec")));

namespace {

std::atomic<std::uint64_t> sequence_counter{1};
std::atomic<std::int64_t> hook_counter{1};
std::atomic<bool> anomaly_detection{false};
std::string (*describe_origin)() = nullptr;

}  // namespace

bool is_grad_enabled() { return thread_modes.grad_enabled; }
void set_grad_enabled(bool enabled) { thread_modes.grad_enabled = enabled; }
bool is_inference_mode() { return thread_modes.inference; }
void set_inference_mode(bool enabled) { thread_modes.inference = enabled; }
GradMode::GradMode(bool enabled) : before_(thread_modes.grad_enabled) { thread_modes.grad_enabled = enabled; }
GradMode::~GradMode() { thread_modes.grad_enabled = before_; }
InferenceMode::InferenceMode(bool enabled)
    : grad_before_(thread_modes.grad_enabled), inference_before_(thread_modes.inference) {
  thread_modes.grad_enabled = !enabled;
  thread_modes.inference = enabled;
}
InferenceMode::~InferenceMode() {
  thread_modes.grad_enabled = grad_before_;
  thread_modes.inference = inference_before_;
}

void set_anomaly_detection(bool enabled) { anomaly_detection = enabled; }
bool is_anomaly_detection_enabled() { return anomaly_detection.load(std::memory_order_relaxed); }
void set_origin_describer(std::string (*describe)()) { describe_origin = describe; }
std::int64_t next_hook_number() { return hook_counter.fetch_add(1); }

void EdgeList::push_back(Edge edge) {
  if (size_ == capacity_) {
    Edge* larger = new Edge[std::size_t(capacity_) * 2];
    std::copy(data_, data_ + size_, larger);
    if (data_ != inline_) delete[] data_;
    data_ = larger;
    capacity_ *= 2;
  }
  data_[size_++] = edge;
}

void* Node::operator new(std::size_t bytes) { return cpu::allocate(bytes); }
void Node::operator delete(void* block, std::size_t bytes) { cpu::deallocate(block, bytes); }

Node::Node() : sequence_(sequence_counter.fetch_add(1, std::memory_order_relaxed)) {
  if (is_anomaly_detection_enabled() && describe_origin) extras().origin = describe_origin();
}

Node::~Node() {
  for (const Edge& edge : edges_) {
    if (edge.is_leaf) edge.leaf()->drop();
    else if (edge.defined()) release_node(edge.node());
  }
}

void Node::add_edge(const Tensor& operand) {
  if (!wants_grad(operand)) return edges_.push_back({});
  if (Node* node = operand.grad_fn()) {
    node->retain();
    return edges_.push_back({node, operand.record()->output_index, false});
  }
  operand.record()->retain();
  edges_.push_back({operand.record(), 0, true});
}

const std::string& Node::no_origin() {
  static const std::string none;
  return none;
}

Node::Extras& Node::extras() {
  if (!extras_) extras_ = std::make_unique<Extras>();
  return *extras_;
}

std::int64_t Node::register_prehook(std::function<void(Tensors&)> hook) {
  extras().prehooks.emplace_back(next_hook_number(), std::move(hook));
  return extras_->prehooks.back().first;
}

std::int64_t Node::register_hook(std::function<void(Tensors&, const Tensors&)> hook) {
  extras().hooks.emplace_back(next_hook_number(), std::move(hook));
  return extras_->hooks.back().first;
}

std::int64_t Node::register_output_hook(std::uint32_t output_index, GradientHook hook) {
  return register_prehook([output_index, hook = std::move(hook)](Tensors& gradients) {
    Tensor& gradient = gradients[output_index];
    if (gradient.defined()) gradient = hooked(hook, std::move(gradient));
  });
}

void Node::remove_hook(std::int64_t number) {
  if (!extras_) return;
  std::erase_if(extras_->prehooks, [number](const auto& entry) { return entry.first == number; });
  std::erase_if(extras_->hooks, [number](const auto& entry) { return entry.first == number; });
}

// A node's saved tensors hold records that hold nodes, and gradients hold gradients: a chain of a million
// would recurse that deep.
void release_node(Node* node) noexcept {
  if (node->drop()) free_in_turn(node, [](Node* item) { delete item; });
}

void release_slots(GradientSlots* slots) noexcept {
  free_in_turn(slots, [](GradientSlots* item) { delete item; });
}

}  // namespace taper
