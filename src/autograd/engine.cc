// The engine: walks the tape backwards, from the operation recorded last to the first, without recursion.
#include <algorithm>
#include <atomic>
#include <functional>
#include <queue>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "autograd/callbacks.h"
#include "autograd/divided_backward.h"
#include "autograd/gradient_math.h"
#include "autograd/node_watch.h"
#include "autograd/record.h"
#include "autograd/slots.h"
#include "taper/autograd.h"
#include "taper/error.h"

namespace taper {

namespace {

// Locks one node while it runs; only threads that share a graph ever wait here. A node whose backward goes
// through its own graph again is locked by this thread already.
class NodeLock {
 public:
  explicit NodeLock(std::atomic_flag& flag) : flag_(flag), outer_(innermost) {
    while (flag_.test_and_set(std::memory_order_acquire)) {
      for (const NodeLock* lock = outer_; lock && !again_; lock = lock->outer_)
        again_ = &lock->flag_ == &flag_;
      if (again_) break;
      std::this_thread::yield();
    }
    innermost = this;
  }
  ~NodeLock() {
    innermost = outer_;
    if (!again_) flag_.clear(std::memory_order_release);
  }

 private:
  static inline thread_local const NodeLock* innermost = nullptr;
  std::atomic_flag& flag_;
  const NodeLock* const outer_;
  bool again_ = false;
};

// Tensors of a node after a hook: as many as before, each like the one it replaces.
void check_hooked(const Node& node, const Tensors& before, Tensors& after) {
  check<ValueError>(after.size() == before.size(), node.name(), " backward: a hook returned ", after.size(),
                    " gradients, expected ", before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!after[i].defined()) continue;
    check<ValueError>(before[i].defined(), node.name(), " backward: a hook returned a gradient ", i,
                      " where there is none");
    check<ShapeError>(after[i].sizes() == before[i].sizes(), node.name(),
                      " backward: a hook returned gradient ", i, " of shape ", after[i].sizes(),
                      ", expected ", before[i].sizes());
    if (after[i].dtype() != before[i].dtype())
      after[i] = fitted_gradient(after[i], before[i].sizes(), before[i].dtype());
  }
}

std::atomic<NodeWatch> node_watch = nullptr;

// Tells the watch of one operation's backward, also of one that throws.
class Watched {
 public:
  explicit Watched(const char* name) : watch_(node_watch.load(std::memory_order_relaxed)), name_(name) {
    if (watch_) watch_(name_, true);
  }
  ~Watched() {
    if (watch_) watch_(name_, false);
  }

 private:
  NodeWatch watch_;
  const char* name_;
};

struct BySequence {
  bool operator()(const Node* a, const Node* b) const { return a->sequence() < b->sequence(); }
};

}  // namespace

void set_node_watch(NodeWatch watch) { node_watch.store(watch, std::memory_order_relaxed); }

/// One backward pass. A node has a higher sequence number than all it depends on, so taking the highest
/// waiting node first means that all gradients of its results have arrived; no pass to count them is needed.
class Engine {
 public:
  Engine(bool retain_graph, bool create_graph) : retain_graph_(retain_graph), create_graph_(create_graph) {}
  ~Engine() {
    while (!waiting_.empty()) {
      release_node(waiting_.top());
      waiting_.pop();
    }
    for (auto& [leaf, gradient] : leaf_gradients_) leaf->drop();
  }

  /// Gradients of these tensors only are computed, and kept for capture() instead of going to .grad.
  void restrict_to(const Tensors& inputs, const Tensors& outputs);
  void capture_results() { capture_ = true; }
  /// What restrict_to leaves out is not dropped, but noted for later.
  void postpone_to(DividedBackward& later) { later_ = &later; }
  bool needs(const Tensor& output) const {
    Node* const node = output.grad_fn();
    return node ? needed_.contains(node) : wanted_leaves_.contains(output.record());
  }
  void resume(DividedBackward::Postponed& postponed);
  /// Leaves with hooks get their gradient as soon as it is whole, not at the end.
  void watch_leaves(const Tensors& outputs);
  void start(const Tensor& output, const Tensor& gradient) {
    if (Node* node = output.grad_fn()) arrive(node, output.record()->output_index, gradient);
    else arrive_leaf(output.record(), gradient);
  }
  void run();
  Tensor captured(const Tensor& input) const;

 private:
  struct Target {
    Node* node;
    std::uint32_t output_index;
    bool operator==(const Target&) const = default;
  };
  struct HashTarget {
    std::size_t operator()(const Target& target) const {
      return std::hash<void*>()(target.node) * 31 + target.output_index;
    }
  };

  void arrive(Node* node, std::uint32_t output_index, Tensor gradient);
  void arrive_leaf(TensorRecord* leaf, Tensor gradient);
  bool goes_on(const Edge& edge) const;
  std::uint64_t wanted_edges(const Node& node) const;
  bool postpone(Node& node, const Tensors& gradients, Tensors& results);
  void run_node(Node& node, Tensors gradients);
  void send(const Node& node, Tensors results);
  void settle(TensorRecord* leaf);
  static void add_to(Tensor& sum, Tensor gradient);
  void check_results(const Node& node, const Tensors& results) const;

  const bool retain_graph_, create_graph_;
  bool restricted_ = false;
  bool capture_ = false;
  DividedBackward* later_ = nullptr;
  std::priority_queue<Node*, std::vector<Node*>, BySequence> waiting_;
  std::unordered_map<Node*, Tensors> inbox_;
  std::unordered_map<TensorRecord*, Tensor> leaf_gradients_;
  std::vector<TensorRecord*> leaf_order_;
  /// For watched leaves: edges by which more may come.
  std::unordered_map<TensorRecord*, std::int64_t> expected_;
  std::unordered_set<const Node*> needed_;
  std::unordered_set<const TensorRecord*> wanted_leaves_;
  std::unordered_map<Target, Tensor, HashTarget> captured_;
};

void Engine::restrict_to(const Tensors& inputs, const Tensors& outputs) {
  restricted_ = true;
  for (const Tensor& input : inputs) {
    if (Node* node = input.grad_fn()) captured_[{node, input.record()->output_index}] = Tensor();
    else wanted_leaves_.insert(input.record());
  }
  std::vector<const Node*> order;
  std::unordered_set<const Node*> seen;
  for (const Tensor& output : outputs)
    if (Node* node = output.grad_fn(); node && seen.insert(node).second) order.push_back(node);
  for (std::size_t i = 0; i < order.size(); ++i)
    for (const Edge& edge : order[i]->edges())
      if (edge.node() && seen.insert(edge.node()).second) order.push_back(edge.node());
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->sequence() < b->sequence(); });
  for (const auto& [target, gradient] : captured_) needed_.insert(target.node);
  for (const Node* node : order)
    for (const Edge& edge : node->edges())
      if (edge.is_leaf ? wanted_leaves_.contains(edge.leaf())
                       : edge.defined() && needed_.contains(edge.node()))
        needed_.insert(node);
}

void Engine::watch_leaves(const Tensors& outputs) {
  if (!accumulated_hooks_exist()) return;
  std::vector<const Node*> order;
  std::unordered_set<const Node*> seen;
  for (const Tensor& output : outputs)
    if (Node* node = output.grad_fn(); node && seen.insert(node).second) order.push_back(node);
  for (std::size_t i = 0; i < order.size(); ++i)
    for (const Edge& edge : order[i]->edges()) {
      if (edge.node() && seen.insert(edge.node()).second) order.push_back(edge.node());
      if (TensorRecord* leaf = edge.leaf(); leaf && leaf->slots && !leaf->slots->accumulated_hooks.empty())
        ++expected_[leaf];
    }
}

void Engine::settle(TensorRecord* leaf) {
  const auto found = leaf_gradients_.find(leaf);
  if (found == leaf_gradients_.end() || !found->second.defined()) return;
  accumulate_grad(Tensor::share(leaf), std::exchange(found->second, Tensor()), create_graph_);
}

void Engine::add_to(Tensor& sum, Tensor gradient) {
  sum = sum.defined() ? add_gradients(sum, gradient) : std::move(gradient);
}

void Engine::arrive(Node* node, std::uint32_t output_index, Tensor gradient) {
  if (restricted_ && !needed_.contains(node)) return;
  Tensors& gradients = inbox_[node];
  if (gradients.empty()) {
    gradients.resize(std::size_t(node->outputs()));
    node->retain();
    waiting_.push(node);
  }
  add_to(gradients[output_index], std::move(gradient));
}

void Engine::arrive_leaf(TensorRecord* leaf, Tensor gradient) {
  if (restricted_ && !wanted_leaves_.contains(leaf)) return;
  check<ShapeError>(gradient.sizes() == leaf->sizes, "backward: a gradient of shape ", gradient.sizes(),
                    " arrived at a leaf of shape ", leaf->sizes,
                    "; was its memory exchanged since the forward call?");
  if (gradient.dtype() != leaf->dtype) gradient = fitted_gradient(gradient, leaf->sizes, leaf->dtype);
  const auto [entry, fresh] = leaf_gradients_.try_emplace(leaf);
  if (fresh) {
    leaf->retain();
    leaf_order_.push_back(leaf);
  }
  add_to(entry->second, std::move(gradient));
}

void Engine::check_results(const Node& node, const Tensors& results) const {
  check<AutogradError>(int(results.size()) == node.edges().size(), node.name(), " backward: returned ",
                       results.size(), " gradients, expected ", node.edges().size());
  if (!is_anomaly_detection_enabled()) return;
  for (std::size_t i = 0; i < results.size(); ++i)
    check<AutogradError>(!results[i].defined() || !has_nan(results[i]), node.name(),
                         " backward: returned nan values in gradient ", i,
                         node.origin().empty() ? "" : "; the forward call was at:\n", node.origin());
}

bool Engine::goes_on(const Edge& edge) const {
  return edge.is_leaf ? wanted_leaves_.contains(edge.leaf())
                      : edge.defined() && needed_.contains(edge.node());
}

// Bit i: gradients go on along edge i; edges from 63 on share the last bit.
std::uint64_t Engine::wanted_edges(const Node& node) const {
  std::uint64_t wanted = 0;
  for (int i = 0; i < node.edges().size(); ++i) {
    if (goes_on(node.edges()[i])) wanted |= std::uint64_t(1) << std::min(i, 63);
  }
  return wanted;
}

// Moves results that are not asked for yet to later_; whether some of them were not computed.
bool Engine::postpone(Node& node, const Tensors& gradients, Tensors& results) {
  const std::size_t edges = results.size();
  DividedBackward::Postponed entry{&node, {}, Tensors(edges), std::vector<bool>(edges)};
  bool lacks = false, waits = false;
  for (std::size_t i = 0; i < edges; ++i) {
    const Edge& edge = node.edges()[int(i)];
    if (!edge.defined() || goes_on(edge)) continue;
    waits = true;
    entry.missing[i] = !results[i].defined();
    lacks = lacks || entry.missing[i];
    entry.results[i] = std::exchange(results[i], Tensor());
  }
  if (!waits) return false;
  if (lacks) entry.gradients = gradients;
  node.retain();
  later_->postponed_.push_back(std::move(entry));
  return lacks;
}

void Engine::resume(DividedBackward::Postponed& postponed) {
  Node& node = *postponed.node;
  if (!postponed.gradients.empty()) {
    std::uint64_t wanted = 0;
    for (std::size_t i = 0; i < postponed.missing.size(); ++i)
      if (postponed.missing[i]) wanted |= std::uint64_t(1) << std::min<std::size_t>(i, 63);
    const NodeLock lock(node.busy_);
    const std::uint64_t outer_wanted = std::exchange(node.wanted_, wanted);
    const Watched watched(node.name());
    Tensors results = node.backward(postponed.gradients);
    node.wanted_ = outer_wanted;
    node.released_ = node.release_saved();
    check_results(node, results);
    for (std::size_t i = 0; i < results.size(); ++i)
      if (postponed.missing[i]) postponed.results[i] = std::move(results[i]);
  }
  send(node, std::move(postponed.results));
}

void Engine::run_node(Node& node, Tensors gradients) {
  if (node.extras_) {
    const auto prehooks = node.extras_->prehooks;  // which a hook may change
    for (const auto& [number, hook] : prehooks) {
      const Tensors before = gradients;
      hook(gradients);
      check_hooked(node, before, gradients);
    }
  }
  if (!captured_.empty())
    for (std::uint32_t i = 0; i < gradients.size(); ++i)
      if (auto found = captured_.find({&node, i}); found != captured_.end()) found->second = gradients[i];
  const std::uint64_t wanted = restricted_ ? wanted_edges(node) : ~std::uint64_t(0);
  if (!wanted) return;
  Tensors results;
  {
    const NodeLock lock(node.busy_);
    check<AutogradError>(
        !node.released_, node.name(),
        " backward: trying to go backward through the graph a second time, but what it saved was "
        "freed; pass retain_graph=True to the first backward()");
    const std::uint64_t outer_wanted = std::exchange(node.wanted_, wanted);
    const Watched watched(node.name());
    results = node.backward(gradients);
    node.wanted_ = outer_wanted;
    check_results(node, results);
    const bool again = later_ && postpone(node, gradients, results);
    if (!retain_graph_ && !again) node.released_ = node.release_saved();
  }
  if (node.extras_) {
    const auto hooks = node.extras_->hooks;
    for (const auto& [number, hook] : hooks) {
      const Tensors before = results;
      hook(results, gradients);
      check_hooked(node, before, results);
    }
  }
  gradients.clear();
  send(node, std::move(results));
}

void Engine::send(const Node& node, Tensors results) {
  for (int i = 0; i < node.edges().size(); ++i) {
    const Edge& edge = node.edges()[i];
    Tensor& result = results[std::size_t(i)];
    if (!edge.defined() || !result.defined()) continue;
    if (edge.is_leaf) arrive_leaf(edge.leaf(), std::move(result));
    else arrive(edge.node(), edge.output_index, std::move(result));
  }
  if (expected_.empty()) return;
  for (const Edge& edge : node.edges())
    if (const auto watched = expected_.find(edge.leaf());
        watched != expected_.end() && --watched->second == 0)
      settle(watched->first);
}

void Engine::run() {
  const GradMode mode(create_graph_);
  while (!waiting_.empty()) {
    Node* node = waiting_.top();
    waiting_.pop();
    auto entry = inbox_.extract(node);
    try {
      run_node(*node, std::move(entry.mapped()));
    } catch (...) {
      release_node(node);
      throw;
    }
    release_node(node);
  }
  if (capture_) return;
  for (TensorRecord* leaf : leaf_order_) settle(leaf);
}

Tensor Engine::captured(const Tensor& input) const {
  if (Node* node = input.grad_fn()) {
    const auto found = captured_.find({node, input.record()->output_index});
    return found == captured_.end() ? Tensor() : found->second;
  }
  const auto found = leaf_gradients_.find(input.record());
  if (found == leaf_gradients_.end()) return {};
  Tensor gradient = found->second;
  if (gradient.defined() && input.record()->slots) {
    const auto hooks = input.record()->slots->hooks;
    for (const auto& [number, hook] : hooks) gradient = hooked(hook, std::move(gradient));
  }
  return gradient;
}

namespace {

Tensor starting_gradient(const Tensor& output, const Tensor& gradient) {
  check<AutogradError>(
      output.requires_grad(),
      "backward: the tensor does not require grad and does not have a grad_fn: none of the tensors it "
      "was computed from requires a gradient, or it was computed under no_grad");
  if (!gradient.defined()) {
    check<AutogradError>(output.numel() == 1,
                         "backward: grad can be implicitly created only for scalar outputs, got shape ",
                         output.sizes(), "; pass gradient=, or reduce with sum() or mean() first");
    check<AutogradError>(!output.is_complex(),
                         "backward: grad can be implicitly created only for real scalar outputs, got ",
                         output.dtype(), "; pass gradient=, or take real() or abs() first");
    return ones_for(output);
  }
  check<ShapeError>(gradient.sizes() == output.sizes(), "backward: gradient has shape ", gradient.sizes(),
                    " but the output has shape ", output.sizes(), "; mismatch in shape");
  check<DTypeError>(is_complex(gradient.dtype()) == is_complex(output.dtype()),
                    "backward: gradient of dtype ", gradient.dtype(), " for an output of dtype ",
                    output.dtype());
  check<DeviceError>(gradient.device() == output.device(), "backward: gradient is on ", gradient.device(),
                     " but the output is on ", output.device());
  return gradient.dtype() == output.dtype() ? gradient
                                            : fitted_gradient(gradient, output.sizes(), output.dtype());
}

void check_defined(const Tensors& tensors, const char* op, const char* what) {
  for (std::size_t i = 0; i < tensors.size(); ++i)
    check<ValueError>(tensors[i].defined(), op, ": ", what, " ", i, " is None, expected a tensor");
}

void start_all(Engine& engine, const Tensors& outputs, const Tensors& gradients, const char* op) {
  check<ValueError>(gradients.empty() || gradients.size() == outputs.size(), op, ": got ", gradients.size(),
                    " gradients for ", outputs.size(), " outputs");
  for (std::size_t i = 0; i < outputs.size(); ++i)
    engine.start(outputs[i], starting_gradient(outputs[i], gradients.empty() ? Tensor() : gradients[i]));
}

}  // namespace

namespace {

thread_local std::vector<std::function<void()>> callbacks;
thread_local int passes = 0;

// A backward pass of this thread; passes within it (of custom functions) belong to it.
class Pass {
 public:
  Pass() { ++passes; }
  ~Pass() {
    if (--passes == 0) callbacks.clear();
  }
  void end() {
    if (passes > 1) return;
    for (std::size_t i = 0; i < callbacks.size(); ++i) {
      const auto callback = callbacks[i];  // which may queue another
      callback();
    }
  }
};

void check_wants_grad(const Tensors& inputs, const char* call) {
  for (const Tensor& input : inputs)
    check<AutogradError>(input.requires_grad(), call, ": one of the inputs does not require a gradient");
}

}  // namespace

bool in_backward() { return passes > 0; }

void queue_callback(std::function<void()> callback) {
  check<AutogradError>(passes > 0, "queue_callback: there is no backward pass in this thread");
  callbacks.push_back(std::move(callback));
}

void backward(const Tensors& outputs, const Tensors& gradients, bool retain_graph, bool create_graph,
              const Tensors& inputs) {
  check_defined(outputs, "backward", "output");
  check_defined(inputs, "backward", "input");
  check_wants_grad(inputs, "backward");
  Pass pass;
  Engine engine(retain_graph || create_graph, create_graph);
  if (!inputs.empty()) engine.restrict_to(inputs, outputs);
  engine.watch_leaves(outputs);
  start_all(engine, outputs, gradients, "backward");
  engine.run();
  for (const Tensor& input : inputs)
    if (const auto* slots = input.record()->slots; input.grad_fn() && !(slots && slots->retained)) {
      const Tensor gradient = engine.captured(input);
      if (gradient.defined()) accumulate_grad(input, gradient, create_graph);
    }
  pass.end();
}

DividedBackward::~DividedBackward() {
  for (const Postponed& entry : postponed_) release_node(entry.node);
}

Tensors DividedBackward::of_inputs(const Tensors& outputs, const Tensors& inputs, const Tensors& gradients) {
  check_defined(outputs, "backward", "output");
  check_defined(inputs, "backward", "input");
  check_wants_grad(inputs, "backward");
  for (const Tensor& input : inputs)
    check<AutogradError>(!input.grad_fn(), "backward: an input of the first part is not a leaf");
  Pass pass;
  Engine engine(false, false);
  engine.capture_results();
  engine.restrict_to(inputs, outputs);
  engine.postpone_to(*this);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor start = starting_gradient(outputs[i], gradients.empty() ? Tensor() : gradients[i]);
    if (engine.needs(outputs[i])) {
      engine.start(outputs[i], start);
    } else {
      apart_.push_back(outputs[i]);
      apart_gradients_.push_back(start);
    }
  }
  engine.run();
  Tensors results;
  for (const Tensor& input : inputs) results.push_back(engine.captured(input));
  pass.end();
  return results;
}

void DividedBackward::of_rest() {
  Pass pass;
  Engine engine(false, false);
  start_all(engine, std::exchange(apart_, {}), std::exchange(apart_gradients_, {}), "backward");
  for (Postponed& entry : postponed_) engine.resume(entry);
  engine.run();
  for (const Postponed& entry : postponed_) release_node(entry.node);
  postponed_.clear();
  pass.end();
}

Tensors grad(const Tensors& outputs, const Tensors& inputs, const Tensors& gradients, bool retain_graph,
             bool create_graph, bool allow_unused) {
  check_defined(outputs, "grad", "output");
  check_defined(inputs, "grad", "input");
  check_wants_grad(inputs, "grad");
  Pass pass;
  Engine engine(retain_graph || create_graph, create_graph);
  engine.capture_results();
  engine.restrict_to(inputs, outputs);
  start_all(engine, outputs, gradients, "grad");
  engine.run();
  Tensors results;
  for (const Tensor& input : inputs) {
    results.push_back(engine.captured(input));
    check<AutogradError>(
        results.back().defined() || allow_unused,
        "grad: one of the inputs appears not to have been used in the graph; pass allow_unused=True if "
        "this is intended");
  }
  pass.end();
  return results;
}

}  // namespace taper
