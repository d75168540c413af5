// GradientReducer: gradients in buckets, averaged over the ranks while backward runs (Li et al. 2020,
// arXiv:2006.15704).
#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "autograd/callbacks.h"
#include "distributed/group.h"
#include "ops/elementwise.h"
#include "taper/autograd.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

// The first bucket is small, so that the first reduction starts early.
constexpr std::int64_t first_bucket_bytes = 1 << 20;

std::int64_t bytes_of(const Tensor& tensor) { return tensor.numel() * tensor.item_size(); }

// Tensors that share one flat piece of memory.
struct BucketState {
  std::vector<std::size_t> members;
  Tensor flat;
  Tensors views;
  std::size_t pending = 0;
  std::function<Tensor()> finish;
};

bool same_memory(const Tensor& a, const Tensor& b) {
  return a.defined() && a.data() == b.data() && a.strides() == b.strides();
}

// Checkpoints, of C++ and of Python, run their function again in backward: the graph does not show which
// parameters it uses.
bool hides_parameters(const Node& node) {
  const std::string_view name = node.name();
  return name == "checkpoint" || name == "CheckpointFunction";
}

// What the graph of a forward pass does not reach, and whether it may be reached all the same.
struct Unused {
  std::vector<std::size_t> parameters;
  bool hidden = false;
};

}  // namespace

struct GradientReducer::State : std::enable_shared_from_this<State> {
  State(Tensors parameters, Group group, DataParallelOptions options)
      : parameters(std::move(parameters)), group(std::move(group)), options(options) {}

  std::int64_t largest_bucket() const;
  void lay_out(const std::vector<std::size_t>& order);
  void prepare(const Tensors& outputs);
  void on_gradient(std::size_t parameter);
  void mark_ready(std::size_t parameter);
  void launch(std::size_t index);
  void finish();
  void deliver(std::size_t parameter, const Tensor& view, bool used);
  Unused found_unused(const Tensors& outputs) const;
  void mark_unused(std::size_t parameter);
  void end_backward();
  void adopt_order();
  void shadow();
  [[noreturn]] void refuse_unfinished();
  void check_static();
  std::string name_of(std::size_t parameter) const;
  bool looks_for_unused() const { return options.find_unused_parameters || options.static_graph; }

  const Tensors parameters;
  const Group group;
  const DataParallelOptions options;
  Hook hook;
  std::vector<std::int64_t> hooks;
  std::vector<BucketState> buckets;
  /// Where a parameter lies: bucket and place in it.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  std::vector<bool> ready, used, first_used;
  std::vector<std::string> names;
  std::vector<std::size_t> order;
  std::size_t launched = 0, arrived = 0, passes = 0;
  bool active = false, order_known = false;
  /// Whether parameters that the graph does not show may still get gradients: known when backward ends.
  bool hidden = false;
  std::mutex lock;
};

std::int64_t GradientReducer::State::largest_bucket() const {
  if (options.bucket_cap_mb > 0) return std::int64_t(options.bucket_cap_mb * (1 << 20));
  std::int64_t all = 0;
  for (const Tensor& parameter : parameters) all += bytes_of(parameter);
  return std::clamp<std::int64_t>(all / 10, 1 << 20, 25 << 20);
}

// A bucket is full when it has reached its limit.
void GradientReducer::State::lay_out(const std::vector<std::size_t>& sequence) {
  buckets.clear();
  places.assign(parameters.size(), {});
  std::map<std::pair<DType, int>, std::size_t> open;  // by dtype and device
  std::int64_t limit = std::min(first_bucket_bytes, largest_bucket());
  std::vector<std::int64_t> filled;
  for (const std::size_t member : sequence) {
    const std::pair kind(parameters[member].dtype(), int(parameters[member].device().index));
    if (!open.contains(kind)) {
      open[kind] = buckets.size();
      buckets.emplace_back();
      filled.push_back(0);
    }
    const std::size_t bucket = open[kind];
    places[member] = {bucket, buckets[bucket].members.size()};
    buckets[bucket].members.push_back(member);
    filled[bucket] += bytes_of(parameters[member]);
    if (filled[bucket] < limit) continue;
    open.erase(kind);
    limit = largest_bucket();
  }
  for (BucketState& bucket : buckets) {
    std::int64_t count = 0;
    for (const std::size_t member : bucket.members) count += parameters[member].numel();
    const Tensor& first = parameters[bucket.members.front()];
    bucket.flat = empty({count}, first.dtype(), first.device());
    std::int64_t start = 0;
    for (const std::size_t member : bucket.members) {
      const Shape& sizes = parameters[member].sizes();
      bucket.views.push_back(window(bucket.flat, sizes, contiguous_strides(sizes), start));
      start += parameters[member].numel();
    }
  }
}

// All ranks take the order in which rank 0's gradients came in its first backward pass.
void GradientReducer::State::adopt_order() {
  order_known = true;
  const Tensor chosen = empty({std::int64_t(parameters.size())}, int64);
  for (std::size_t i = 0; i < order.size(); ++i) chosen.data<std::int64_t>()[i] = std::int64_t(order[i]);
  group->broadcast(chosen, 0).wait();
  std::vector<std::size_t> sequence;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    sequence.push_back(std::size_t(chosen.data<std::int64_t>()[i]));
  // Gradients that live in the old buckets move to the new ones.
  Tensors kept;
  for (const Tensor& parameter : parameters) kept.push_back(parameter.grad());
  lay_out(sequence);
  if (!options.gradient_as_bucket_view) return;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!kept[i].defined()) continue;
    const Tensor& view = buckets[places[i].first].views[places[i].second];
    copy_elements(kept[i], view);
    parameters[i].set_grad(view);
  }
}

Unused GradientReducer::State::found_unused(const Tensors& outputs) const {
  Unused unused;
  std::unordered_set<const void*> leaves;
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> nodes;
  for (const Tensor& output : outputs) {
    if (Node* node = output.grad_fn(); node && seen.insert(node).second) nodes.push_back(node);
    if (!output.grad_fn()) leaves.insert(output.record());
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    unused.hidden |= hides_parameters(*nodes[i]);
    for (const Edge& edge : nodes[i]->edges()) {
      if (edge.leaf()) leaves.insert(edge.leaf());
      if (edge.node() && seen.insert(edge.node()).second) nodes.push_back(edge.node());
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (!leaves.contains(parameters[i].record())) unused.parameters.push_back(i);
  return unused;
}

void GradientReducer::State::refuse_unfinished() {
  std::string missing;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (!ready[i]) missing += (missing.empty() ? "" : ", ") + name_of(i);
  active = false;
  fail<DistributedError>(
      "DistributedDataParallel: Expected to have finished reduction in the prior iteration before starting a "
      "new one. Parameters which did not receive grad for rank ",
      group->rank(), ": ", missing, ". ",
      options.find_unused_parameters
          ? "Since `find_unused_parameters=True` is enabled, they are parameters that the outputs depend on: "
            "make sure all `forward` function outputs participate in calculating loss"
          : "Where they take no part in the outputs, look for them by passing the keyword argument "
            "`find_unused_parameters=True`; else make sure all `forward` function outputs participate in "
            "calculating loss");
}

std::string GradientReducer::State::name_of(std::size_t parameter) const {
  return parameter < names.size() ? names[parameter] : std::to_string(parameter);
}

// What static_graph promises holds for all passes after the first.
void GradientReducer::State::check_static() {
  if (first_used.empty()) first_used = used;
  for (std::size_t i = 0; i < used.size(); ++i)
    check<DistributedError>(used[i] == first_used[i],
                            "DistributedDataParallel: Your training graph has changed in this iteration: ",
                            name_of(i), used[i] ? " is used now, and was not" : " is not used now, and was",
                            " in the first; with static_graph=True that must not be");
}

void GradientReducer::State::prepare(const Tensors& outputs) {
  const std::lock_guard guard(lock);
  if (active && arrived > 0) refuse_unfinished();
  if (!order_known && order.size() == parameters.size() && !looks_for_unused()) adopt_order();
  ++passes;
  active = true;
  launched = arrived = 0;
  order.clear();
  ready.assign(parameters.size(), false);
  used.assign(parameters.size(), true);
  for (BucketState& bucket : buckets) {
    bucket.pending = bucket.members.size();
    bucket.finish = nullptr;
  }
  hidden = false;
  if (!looks_for_unused()) return;
  const Unused unused = found_unused(outputs);
  hidden = unused.hidden;
  for (const std::size_t parameter : unused.parameters)
    if (!hidden) mark_unused(parameter);
}

void GradientReducer::State::mark_unused(std::size_t parameter) {
  used[parameter] = false;
  mark_ready(parameter);
}

// What has no gradient by now gets none.
void GradientReducer::State::end_backward() {
  const std::lock_guard guard(lock);
  for (std::size_t i = 0; active && i < parameters.size(); ++i)
    if (!ready[i]) mark_unused(i);
}

// The order of a rank without data does not matter, unless it is rank 0's.
void GradientReducer::State::shadow() {
  const std::lock_guard guard(lock);
  if (!order_known && !looks_for_unused()) {
    if (order.size() != parameters.size()) {
      order.clear();
      for (const BucketState& bucket : buckets)
        order.insert(order.end(), bucket.members.begin(), bucket.members.end());
    }
    if (passes > 0) adopt_order();
  }
  ++passes;
  used.assign(parameters.size(), false);
  for (std::size_t index = 0; index < buckets.size(); ++index) {
    fill_elements(buckets[index].flat, Scalar(0));
    launch(index);
  }
  if (looks_for_unused()) {
    const Tensor flags = empty({std::int64_t(parameters.size())}, uint8);
    fill_elements(flags, Scalar(0));
    group->all_reduce(flags, ReduceOp::max).wait();
  }
  for (BucketState& bucket : buckets) std::exchange(bucket.finish, nullptr)();
}

void GradientReducer::State::on_gradient(std::size_t parameter) {
  const std::lock_guard guard(lock);
  if (!active) return;
  if (std::exchange(hidden, false))
    queue_callback([weak = weak_from_this()] {
      const NoGrad no_grad;
      if (const auto state = weak.lock()) state->end_backward();
    });
  mark_ready(parameter);
}

void GradientReducer::State::mark_ready(std::size_t parameter) {
  check<DistributedError>(!ready[parameter], "DistributedDataParallel: the gradient of parameter ", parameter,
                          " came twice in one iteration: two backward passes after one forward pass; use "
                          "no_sync() for the first");
  ready[parameter] = true;
  order.push_back(parameter);
  ++arrived;
  BucketState& bucket = buckets[places[parameter].first];
  const Tensor& view = bucket.views[places[parameter].second];
  const Tensor gradient = parameters[parameter].grad();
  // An unused parameter may hold what no_sync() accumulated before.
  if (!gradient.defined()) fill_elements(view, Scalar(0));
  else if (!same_memory(gradient, view)) copy_elements(gradient, view);
  if (options.gradient_as_bucket_view && gradient.defined() && !same_memory(gradient, view))
    parameters[parameter].set_grad(view);
  --bucket.pending;
  while (launched < buckets.size() && buckets[launched].pending == 0) launch(launched++);
  if (launched == buckets.size()) finish();
}

void GradientReducer::State::launch(std::size_t index) {
  BucketState& bucket = buckets[index];
  if (!hook) {
    const Work work = group->all_reduce(bucket.flat, ReduceOp::avg);
    bucket.finish = [work, flat = bucket.flat] {
      work.wait();
      return flat;
    };
    return;
  }
  Bucket shown{index, index + 1 == buckets.size(), bucket.flat, {}, bucket.views};
  for (const std::size_t member : bucket.members) shown.parameters.push_back(parameters[member]);
  bucket.finish = hook(shown);
}

void GradientReducer::State::finish() {
  active = false;
  std::vector<bool> used_somewhere = used;
  if (looks_for_unused()) {
    const Tensor flags = empty({std::int64_t(parameters.size())}, uint8);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      flags.data<std::uint8_t>()[i] = used[i] || parameters[i].grad().defined();
    group->all_reduce(flags, ReduceOp::max).wait();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      used_somewhere[i] = flags.data<std::uint8_t>()[i] != 0;
  }
  for (BucketState& bucket : buckets) {
    const Tensor result = bucket.finish();
    bucket.finish = nullptr;
    if (!result.is(bucket.flat)) {
      check<ShapeError>(result.defined() && result.numel() == bucket.flat.numel(),
                        "DistributedDataParallel: the communication hook must give a tensor of shape ",
                        bucket.flat.sizes());
      copy_elements(result, bucket.flat);
    }
    for (std::size_t i = 0; i < bucket.members.size(); ++i)
      deliver(bucket.members[i], bucket.views[i], used_somewhere[bucket.members[i]]);
  }
  if (options.static_graph) check_static();
}

void GradientReducer::State::deliver(std::size_t parameter, const Tensor& view, bool used_somewhere) {
  const Tensor gradient = parameters[parameter].grad();
  if (!used_somewhere || same_memory(gradient, view)) return;
  if (options.gradient_as_bucket_view) return parameters[parameter].set_grad(view);
  if (gradient.defined()) return copy_elements(view, gradient);
  const Tensor fresh = empty(view.sizes(), view.dtype(), view.device());
  copy_elements(view, fresh);
  parameters[parameter].set_grad(fresh);
}

GradientReducer::GradientReducer(Tensors parameters, Group group, DataParallelOptions options)
    : state_(std::make_shared<State>(std::move(parameters), std::move(group), options)) {
  check<ValueError>(!state_->parameters.empty(),
                    "DistributedDataParallel: needs a module with a parameter that requires a gradient");
  check<ValueError>(options.bucket_cap_mb >= 0, "DistributedDataParallel: bucket_cap_mb must be positive");
  std::vector<std::size_t> reversed(state_->parameters.size());
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  state_->lay_out(reversed);
  for (std::size_t i = 0; i < state_->parameters.size(); ++i)
    state_->hooks.push_back(state_->parameters[i].register_post_accumulate_grad_hook(
        [weak = std::weak_ptr(state_), i](const Tensor&) {
          const NoGrad no_grad;
          if (const auto state = weak.lock()) state->on_gradient(i);
        }));
}

GradientReducer::~GradientReducer() {
  for (std::size_t i = 0; i < state_->hooks.size(); ++i) state_->parameters[i].remove_hook(state_->hooks[i]);
}

void GradientReducer::prepare(const Tensors& outputs) {
  const NoGrad no_grad;
  state_->prepare(outputs);
}

void GradientReducer::shadow() {
  const NoGrad no_grad;
  state_->shadow();
}

void GradientReducer::skip() {
  const std::lock_guard guard(state_->lock);
  state_->active = false;
}

void GradientReducer::set_names(std::vector<std::string> names) {
  const std::lock_guard guard(state_->lock);
  state_->names = std::move(names);
}

void GradientReducer::set_hook(Hook hook) {
  const std::lock_guard guard(state_->lock);
  state_->hook = std::move(hook);
}

std::vector<Tensors> GradientReducer::buckets() const {
  const std::lock_guard guard(state_->lock);
  std::vector<Tensors> result;
  for (const BucketState& bucket : state_->buckets) {
    result.emplace_back();
    for (const std::size_t member : bucket.members) result.back().push_back(state_->parameters[member]);
  }
  return result;
}

}  // namespace taper::distributed
