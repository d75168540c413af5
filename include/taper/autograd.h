// Automatic differentiation: grad modes, gradients, hooks, own functions, checkpointing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "taper/tensor.h"

namespace taper {

/// Whether operations of this thread are recorded on the tape.
bool is_grad_enabled();
void set_grad_enabled(bool enabled);
bool is_inference_mode();
void set_inference_mode(bool enabled);

/// Sets the grad mode of this thread until the end of the scope.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};
struct EnableGrad : GradMode {
  EnableGrad() : GradMode(true) {}
};
/// Nothing made in this scope ever enters a graph.
class InferenceMode {
 public:
  explicit InferenceMode(bool enabled = true);
  ~InferenceMode();
  InferenceMode(const InferenceMode&) = delete;
  InferenceMode& operator=(const InferenceMode&) = delete;

 private:
  bool grad_before_, inference_before_;
};

/// Where a gradient goes on: a result of another node, or a leaf; nowhere for operands without gradient.
struct Edge {
  void* target = nullptr;
  std::uint32_t output_index = 0;
  bool is_leaf = false;

  bool defined() const { return target != nullptr; }
  Node* node() const { return is_leaf ? nullptr : static_cast<Node*>(target); }
  TensorRecord* leaf() const { return is_leaf ? static_cast<TensorRecord*>(target) : nullptr; }
};

/// The edges of one node; three are held without allocation.
class EdgeList {
 public:
  EdgeList() = default;
  ~EdgeList() {
    if (data_ != inline_) delete[] data_;
  }
  EdgeList(const EdgeList&) = delete;
  EdgeList& operator=(const EdgeList&) = delete;
  void push_back(Edge edge);
  int size() const { return size_; }
  Edge& operator[](int i) { return data_[i]; }
  const Edge& operator[](int i) const { return data_[i]; }
  const Edge* begin() const { return data_; }
  const Edge* end() const { return data_ + size_; }

 private:
  static constexpr int inline_capacity = 3;
  Edge inline_[inline_capacity];
  Edge* data_ = inline_;
  int size_ = 0;
  int capacity_ = inline_capacity;
};

/// One recorded operation. Reference counted; freed iteratively, however long the chain behind it.
class Node {
 public:
  Node();
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  static void* operator new(std::size_t bytes);
  static void operator delete(void* block, std::size_t bytes);

  /// Name of the operation.
  virtual const char* name() const = 0;
  /// Gradients with respect to the operands, one per edge; undefined where there is none. gradients: one per
  /// result, undefined where nothing depended on it.
  virtual Tensors backward(std::span<const Tensor> gradients) = 0;
  /// Frees what was saved for backward; false if nothing was, so that backward can run again.
  virtual bool release_saved() = 0;
  /// Tensors saved for backward, for inspection.
  virtual Tensors saved_tensors() const { return {}; }

  const EdgeList& edges() const { return edges_; }
  /// Whether the present backward pass has a use for the gradient of this edge.
  bool wants(int edge) const { return wanted_ >> (edge < 63 ? edge : 63) & 1; }
  /// Rises with every operation recorded: an operation has a higher number than all it depends on.
  std::uint64_t sequence() const { return sequence_; }
  int outputs() const { return outputs_; }
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  bool drop() { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  /// Appends the edge by which the gradient of an operand flows.
  void add_edge(const Tensor& operand);
  void set_outputs(int outputs) { outputs_ = outputs; }
  /// Called with the gradients about to enter backward, which it may replace.
  std::int64_t register_prehook(std::function<void(Tensors&)> hook);
  /// Called with the gradients backward returned and those it got.
  std::int64_t register_hook(std::function<void(Tensors& results, const Tensors& gradients)> hook);
  std::int64_t register_output_hook(std::uint32_t output_index, GradientHook hook);
  void remove_hook(std::int64_t number);
  /// Where the operation was called, while anomaly detection is on.
  const std::string& origin() const { return extras_ ? extras_->origin : no_origin(); }

 private:
  friend class Engine;
  struct Extras {
    std::vector<std::pair<std::int64_t, std::function<void(Tensors&)>>> prehooks;
    std::vector<std::pair<std::int64_t, std::function<void(Tensors&, const Tensors&)>>> hooks;
    std::string origin;
  };
  static const std::string& no_origin();
  Extras& extras();

  std::atomic<std::int32_t> references_{1};
  int outputs_ = 1;
  std::uint64_t sequence_;
  EdgeList edges_;
  std::unique_ptr<Extras> extras_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  bool released_ = false;
  /// Which edges the present backward pass goes on along; edges from 63 on share the last bit.
  std::uint64_t wanted_ = ~std::uint64_t(0);
};

/// Gradients of outputs with respect to inputs. gradients: one per output, undefined for one-element outputs.
/// Entries are undefined (with allow_unused) where an output does not depend on the input. Throws
/// AutogradError.
Tensors grad(const Tensors& outputs, const Tensors& inputs, const Tensors& gradients = {},
             bool retain_graph = false, bool create_graph = false, bool allow_unused = false);
/// As Tensor::backward, for several outputs; with inputs, only their .grad is added to.
void backward(const Tensors& outputs, const Tensors& gradients = {}, bool retain_graph = false,
              bool create_graph = false, const Tensors& inputs = {});

/// While on, every recorded operation remembers where it was called, and a backward that makes NaN throws
/// AutogradError naming operation and place.
void set_anomaly_detection(bool enabled);
bool is_anomaly_detection_enabled();
/// Describes the caller of an operation for anomaly detection; set by the language binding.
void set_origin_describer(std::string (*describe)());

/// An operation with a gradient of the user's own.
///   forward   may save tensors through save(); runs without tape
///   backward  is given the gradients of the results, returns one gradient per operand (undefined: none)
class CustomFunction : public Node {
 public:
  /// Runs forward on the operands and records this node. Throws what forward throws.
  static Tensors apply(std::shared_ptr<CustomFunction> function, const Tensors& operands);
  virtual Tensors forward(const Tensors& operands) = 0;
  /// Keeps tensors for backward, watched for overwriting.
  void save(const Tensors& tensors);
  /// Those tensors again; throws AutogradError when one was overwritten or they were freed.
  Tensors saved() const;
  Tensors saved_tensors() const override { return saved(); }
  bool release_saved() override;
  void mark_non_differentiable(const Tensor& result);

 private:
  Tensors saved_;
  std::vector<std::uint32_t> versions_;
  std::vector<TensorRecord*> non_differentiable_;
};

/// Runs function(inputs) without keeping its intermediate results; backward runs it again (Chen et al. 2016,
/// arXiv:1604.06174). The random generator's state is restored for the second run.
Tensors checkpoint(std::function<Tensors(const Tensors&)> function, const Tensors& inputs);

}  // namespace taper
