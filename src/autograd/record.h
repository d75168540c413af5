// record(): the one choke point through which every differentiable operation passes.
#pragma once

#include <array>
#include <bit>
#include <span>
#include <type_traits>
#include <utility>

#include "autograd/saved.h"
#include "taper/autograd.h"
#include "tensor/autograd_fwd.h"

namespace taper {

inline bool wants_grad(const Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }
inline bool wants_grad(const Tensors& tensors) {
  bool any = false;
  for (const Tensor& tensor : tensors) any |= wants_grad(tensor);
  return any;
}

namespace detail {

template <class Op>
constexpr Saves saves_of() {
  if constexpr (requires { Op::saves; }) return Op::saves;
  else return Saves{};
}

}  // namespace detail

/// A recorded Op with what it saved. Op has
///   name       the operation's name
///   saves      which inputs and outputs backward reads (optional; default none)
///   forward    computes the result(s): a Tensor, a tuple or array of Tensors, or Tensors
///   backward   (const Saved&, const Tensor& dy), or std::span<const Tensor> dy for several results (entries
///              undefined where unused): a Tensor for one operand, else an array or vector of Tensors
template <class Op>
class OpNode final : public Node {
 public:
  explicit OpNode(Op op) : op_(std::move(op)) {}
  const char* name() const override { return Op::name; }
  bool release_saved() override {
    for (SavedEntry& entry : saved_) entry.tensor = Tensor();
    return !saved_.empty();
  }
  Tensors saved_tensors() const override {
    Tensors tensors;
    for (const SavedEntry& entry : saved_) tensors.push_back(entry.unpack(*this));
    return tensors;
  }

  Tensors backward(std::span<const Tensor> gradients) override {
    const Saved view(saved_.data(), saves, *this);
    if constexpr (std::is_invocable_v<decltype(&Op::backward), const Op&, const Saved&, const Tensor&>) {
      if (!gradients[0].defined()) return Tensors(edges().size());
      return listed(op_.backward(view, gradients[0]));
    } else {
      return listed(op_.backward(view, gradients));
    }
  }

  SavedEntry* saved() { return saved_.data(); }

 private:
  static Tensors listed(Tensor one) {
    Tensors list;
    list.push_back(std::move(one));
    return list;
  }
  static Tensors listed(Tensors list) { return list; }
  template <std::size_t n>
  static Tensors listed(std::array<Tensor, n> values) {
    Tensors list;
    list.reserve(n);
    for (Tensor& value : values) list.push_back(std::move(value));
    return list;
  }

  static constexpr Saves saves = detail::saves_of<Op>();
  Op op_;
  std::array<SavedEntry, std::size_t(std::popcount(saves.inputs) + std::popcount(saves.outputs))> saved_;
};

namespace detail {

/// Marks a result as made by node; integer results stay outside of the graph.
inline void attach(const Tensor& result, Node* node, std::uint32_t index) {
  if (!result.defined() || !is_differentiable(result.dtype())) return;
  TensorRecord& record = *result.record();
  node->retain();
  record.grad_fn = node;
  record.output_index = index;
  record.requires_grad = true;
}

inline int attach_all(const Tensor& result, Node* node) {
  attach(result, node, 0);
  return 1;
}
template <class List>
int attach_list(const List& results, Node* node) {
  std::uint32_t index = 0;
  for (const Tensor& result : results) attach(result, node, index++);
  return int(index);
}
inline int attach_all(const Tensors& results, Node* node) { return attach_list(results, node); }
template <std::size_t n>
int attach_all(const std::array<Tensor, n>& results, Node* node) {
  return attach_list(results, node);
}

template <unsigned mask>
void save_outputs(SavedEntry* entries, const Tensor& result) {
  if constexpr ((mask & 1) != 0) entries->keep_output(result, 0);
}
template <unsigned mask, class List>
void save_outputs(SavedEntry* entries, const List& results) {
  std::uint32_t index = 0;
  for (const Tensor& result : results) {
    if (mask >> index & 1) (entries++)->keep_output(result, index);
    ++index;
  }
}

inline void add_edges(Node& node, const Tensor& operand) { node.add_edge(operand); }
inline void add_edges(Node& node, const Tensors& operands) {
  for (const Tensor& operand : operands) node.add_edge(operand);
}
template <unsigned mask, class... Inputs>
void save_inputs(SavedEntry* entries, const Inputs&... inputs) {
  int index = 0;
  ((mask >> index++ & 1 ? (entries++)->keep_input(inputs) : void()), ...);
}

template <class Op, class Result, class... Inputs>
[[gnu::noinline]] void record_node(Op&& op, const Result& result, const Inputs&... inputs) {
  auto* node = new OpNode<std::remove_cvref_t<Op>>(std::forward<Op>(op));
  (add_edges(*node, inputs), ...);
  constexpr Saves saves = saves_of<std::remove_cvref_t<Op>>();
  if constexpr (saves.inputs != 0) save_inputs<saves.inputs>(node->saved(), inputs...);
  if constexpr (saves.outputs != 0)
    save_outputs<saves.outputs>(node->saved() + std::popcount(saves.inputs), result);
  node->set_outputs(attach_all(result, node));
  release_node(node);
}

}  // namespace detail

/// Runs op.forward(inputs...); when the tape is on and an input wants a gradient, records how to go back.
template <class Op, class... Inputs>
auto record(Op op, const Inputs&... inputs) {
  // All operands are asked: asking brings the history of views up to date, which must come before op's node.
  if (!(thread_modes.grad_enabled && (wants_grad(inputs) | ...))) {
    auto result = op.forward(inputs...);
    return result;
  }
  const NoGrad forward_is_one_step;
  auto result = op.forward(inputs...);
  detail::record_node(std::move(op), result, inputs...);
  return result;
}

}  // namespace taper
