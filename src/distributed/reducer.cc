// GradientReducer: gradients in buckets, averaged over the ranks while backward runs (Li et al. 2020,
// arXiv:2006.15704).
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "autograd/callbacks.h"
#include "distributed/flat.h"
#include "distributed/group.h"
#include "distributed/watcher.h"
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

// What the graph of a forward pass does not reach; empty where it may be reached all the same.
using Unreached = std::vector<std::size_t>;

// What a program gets that asks for it by the environment, as of all of taper.distributed.
bool tells_details() {
  const char* level = std::getenv("TORCH_DISTRIBUTED_DEBUG");
  return level && (std::string_view(level) == "INFO" || std::string_view(level) == "DETAIL");
}

std::int64_t now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::atomic<CollectiveWatcher>& collective_watcher() {
  static std::atomic<CollectiveWatcher> watcher = nullptr;
  return watcher;
}

struct GradientReducer::State : std::enable_shared_from_this<State> {
  State(Tensors parameters, Group group, DataParallelOptions options)
      : parameters(std::move(parameters)), group(std::move(group)), options(options) {}

  std::int64_t limit_of(std::size_t bucket) const;
  void lay_out(const std::vector<std::size_t>& sequence);
  void lay_out_first();
  void make_memory();
  void prepare(const Tensors& outputs);
  void on_gradient(std::size_t parameter);
  void mark_ready(std::size_t parameter);
  void launch(std::size_t index);
  void finish();
  void deliver(std::size_t parameter, const Tensor& view, bool used);
  Unreached found_unreached(const Tensors& outputs) const;
  void mark_unused(std::size_t parameter);
  void count_users(const std::vector<bool>& mine);
  void begin_backward();
  void end_backward();
  void adopt_order();
  bool rebuild_buckets();
  void shadow();
  [[noreturn]] void refuse(const std::string& why);
  [[noreturn]] void refuse_unfinished();
  void compare_graphs();
  std::string name_of(std::size_t parameter) const;
  bool looks_for_unused() const { return options.find_unused_parameters || options.static_graph; }
  bool adopts_order() const { return options.static_graph || !options.find_unused_parameters; }
  bool skips_unused() const {
    return options.find_unused_parameters && options.skip_all_reduce_unused_params;
  }

  const Tensors parameters;
  const Group group;
  const DataParallelOptions options;
  Hook hook;
  std::vector<std::int64_t> hooks;
  std::vector<BucketState> buckets;
  /// Where a parameter lies: bucket and place in it.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  /// kept: whether the pass uses it, or one since the last reduction did whose gradients only accumulated.
  std::vector<bool> ready, used, kept, first_used;
  std::vector<std::string> names;
  std::vector<std::size_t> order;
  std::size_t launched = 0, arrived = 0;
  bool active = false, order_known = false;
  /// Until the first gradient of a pass that may leave out parameters.
  bool awaits_backward = false;
  Unreached unreached;
  ReductionReport report;
  std::mutex lock;
};

// Of the bucket of this number among those of its kind.
std::int64_t GradientReducer::State::limit_of(std::size_t bucket) const {
  const std::vector<double>& caps = options.bucket_caps_mb;
  if (!caps.empty()) return std::int64_t(caps[std::min(bucket, caps.size() - 1)] * (1 << 20));
  if (options.bucket_cap_mb > 0) return std::int64_t(options.bucket_cap_mb * (1 << 20));
  if (bucket == 0) return first_bucket_bytes;
  std::int64_t all = 0;
  for (const Tensor& parameter : parameters) all += bytes_of(parameter);
  return std::clamp<std::int64_t>(all / 10, 1 << 20, 25 << 20);
}

// A bucket is full when it has reached its limit.
void GradientReducer::State::lay_out(const std::vector<std::size_t>& sequence) {
  struct Open {
    std::size_t bucket, bytes, number;
    bool full;
  };
  buckets.clear();
  std::map<std::pair<DType, int>, Open> open;  // by dtype and device
  for (const std::size_t member : sequence) {
    const std::pair kind(parameters[member].dtype(), int(parameters[member].device().index));
    const auto [place, is_new] = open.try_emplace(kind, Open{0, 0, 0, true});
    Open& last = place->second;
    if (last.full) {
      last = {buckets.size(), 0, is_new ? 0 : last.number + 1, false};
      buckets.emplace_back();
    }
    buckets[last.bucket].members.push_back(member);
    last.bytes += std::size_t(bytes_of(parameters[member]));
    last.full = last.bytes >= std::size_t(limit_of(last.number));
  }
}

// Before the order is known: as the last registered are used last, the last bucket is reduced first.
void GradientReducer::State::lay_out_first() {
  std::vector<std::size_t> registered(parameters.size());
  std::iota(registered.begin(), registered.end(), 0);
  lay_out(registered);
  std::reverse(buckets.begin(), buckets.end());
  make_memory();
}

void GradientReducer::State::make_memory() {
  places.assign(parameters.size(), {});
  for (std::size_t index = 0; index < buckets.size(); ++index) {
    BucketState& bucket = buckets[index];
    Tensors members;
    for (const std::size_t member : bucket.members) {
      places[member] = {index, members.size()};
      members.push_back(parameters[member]);
    }
    bucket.flat = flat_like(members);
    bucket.views = parts_like(bucket.flat, members);
  }
}

bool GradientReducer::State::rebuild_buckets() {
  if (order_known || order.size() != parameters.size() || !adopts_order()) return false;
  adopt_order();
  return true;
}

// All ranks take the order in which rank 0's gradients came in its first backward pass.
void GradientReducer::State::adopt_order() {
  order_known = true;
  const Tensor chosen = empty({std::int64_t(parameters.size())}, int64);
  for (std::size_t i = 0; i < order.size(); ++i) chosen.data<std::int64_t>()[i] = std::int64_t(order[i]);
  tell_watcher("broadcast", chosen);
  group->broadcast(chosen, 0).wait();
  std::vector<std::size_t> sequence;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    sequence.push_back(std::size_t(chosen.data<std::int64_t>()[i]));
  // Gradients that live in the old buckets move to the new ones.
  Tensors kept;
  for (const Tensor& parameter : parameters) kept.push_back(parameter.grad());
  lay_out(sequence);
  make_memory();
  if (!options.gradient_as_bucket_view) return;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!kept[i].defined()) continue;
    const Tensor& view = buckets[places[i].first].views[places[i].second];
    copy_elements(kept[i], view);
    parameters[i].set_grad(view);
  }
}

Unreached GradientReducer::State::found_unreached(const Tensors& outputs) const {
  Unreached unreached;
  std::unordered_set<const void*> leaves;
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> nodes;
  for (const Tensor& output : outputs) {
    if (Node* node = output.grad_fn(); node && seen.insert(node).second) nodes.push_back(node);
    if (!output.grad_fn()) leaves.insert(output.record());
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (hides_parameters(*nodes[i])) return {};
    for (const Edge& edge : nodes[i]->edges()) {
      if (edge.leaf()) leaves.insert(edge.leaf());
      if (edge.node() && seen.insert(edge.node()).second) nodes.push_back(edge.node());
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (!leaves.contains(parameters[i].record())) unreached.push_back(i);
  return unreached;
}

void GradientReducer::State::refuse(const std::string& why) {
  report.error = concat("DistributedDataParallel: ", why);
  fail<DistributedError>(report.error);
}

void GradientReducer::State::refuse_unfinished() {
  std::string missing, numbers, shapes;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (ready[i]) continue;
    const std::string_view comma = missing.empty() ? "" : ", ";
    missing += concat(comma, name_of(i));
    numbers += concat(" ", std::int64_t(i));
    shapes += concat(comma, name_of(i), " ", parameters[i].dtype(), " ", parameters[i].sizes());
  }
  refuse(concat(
      "Expected to have finished reduction in the prior iteration before starting a new one. This error "
      "indicates that ",
      options.static_graph
          ? "your training graph has changed in this iteration, e.g., one parameter is used in first "
            "iteration, but then got unused in the second iteration. this is not compatible with "
            "static_graph set to True."
      : options.find_unused_parameters
          ? "its backward pass has not ended: it raised an error, or did not begin from what `forward` "
            "returned."
          : "your module has parameters that were not used in producing loss: where they take no part in the "
            "outputs, look for them by passing the keyword argument `find_unused_parameters=True`; else make "
            "sure that all `forward` function outputs participate in calculating loss.",
      "\nParameter indices which did not receive grad for rank ", group->rank(), ":", numbers,
      "\nParameters which did not receive grad for rank ", group->rank(), ": ", missing,
      tells_details() ? concat("\nTheir shapes: ", shapes)
                      : "\nTo see their shapes, too, set the environment variable TORCH_DISTRIBUTED_DEBUG to "
                        "either INFO or DETAIL"));
}

std::string GradientReducer::State::name_of(std::size_t parameter) const {
  return parameter < names.size() ? names[parameter] : std::to_string(parameter);
}

// What static_graph promises holds for all passes after the first. Where it does not, none can follow.
void GradientReducer::State::compare_graphs() {
  if (first_used.empty()) first_used = used;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i] == first_used[i]) continue;
    report.same_graph = false;
    if (!options.static_graph) return;
    active = true;
    ready[i] = false;
    refuse(concat("Your training graph has changed in this iteration, e.g., one parameter is ",
                  first_used[i] ? "used" : "unused", " in first iteration, but then got ",
                  used[i] ? "used" : "unused",
                  " in the second iteration. this is not compatible with static_graph set to True: that was ",
                  name_of(i)));
  }
}

void GradientReducer::State::prepare(const Tensors& outputs) {
  const std::lock_guard guard(lock);
  if (active && arrived > 0) refuse_unfinished();
  rebuild_buckets();
  ++report.passes;
  report.backward_begin = now();
  report.buckets_reduced = 0;
  active = true;
  launched = arrived = 0;
  order.clear();
  ready.assign(parameters.size(), false);
  used.assign(parameters.size(), true);
  for (BucketState& bucket : buckets) {
    bucket.pending = bucket.members.size();
    bucket.finish = nullptr;
  }
  awaits_backward = looks_for_unused();
  if (!awaits_backward) return;
  unreached = found_unreached(outputs);
  if (skips_unused()) {
    std::vector<bool> mine(parameters.size(), true);
    for (const std::size_t parameter : unreached) mine[parameter] = kept[parameter];
    count_users(mine);
  }
  // Where nothing is used here, the others are not kept waiting for a backward pass that need not come.
  if (unreached.size() == parameters.size()) {
    awaits_backward = false;
    for (const std::size_t parameter : unreached) mark_unused(parameter);
    return;
  }
  // A loss need not use all outputs, nor any that parameters have a part in.
  for (const Tensor& output : outputs)
    if (output.grad_fn())
      output.register_hook([weak = weak_from_this()](const Tensor&) {
        const NoGrad no_grad;
        const auto state = weak.lock();
        if (!state) return Tensor();
        const std::lock_guard guard(state->lock);
        state->begin_backward();
        return Tensor();
      });
}

void GradientReducer::State::mark_unused(std::size_t parameter) {
  used[parameter] = false;
  mark_ready(parameter);
}

// What the graph does not reach is reduced along with the rest; what else gets no gradient is known when
// backward ends.
void GradientReducer::State::begin_backward() {
  if (!active || !std::exchange(awaits_backward, false)) return;
  queue_callback([weak = weak_from_this()] {
    const NoGrad no_grad;
    if (const auto state = weak.lock()) state->end_backward();
  });
  for (const std::size_t parameter : unreached) mark_unused(parameter);
}

void GradientReducer::State::end_backward() {
  const std::lock_guard guard(lock);
  for (std::size_t i = 0; active && i < parameters.size(); ++i)
    if (!ready[i]) mark_unused(i);
}

// How many ranks use each parameter.
void GradientReducer::State::count_users(const std::vector<bool>& mine) {
  const Tensor counts = empty({std::int64_t(parameters.size())}, int32);
  auto* count = counts.data<std::int32_t>();
  for (std::size_t i = 0; i < parameters.size(); ++i) count[i] = mine[i];
  group->all_reduce(counts, ReduceOp::sum).wait();
  report.users.assign(count, count + parameters.size());
}

// The order of a rank without data does not matter, unless it is rank 0's.
void GradientReducer::State::shadow() {
  const std::lock_guard guard(lock);
  if (!order_known && adopts_order()) {
    if (order.size() != parameters.size()) {
      order.clear();
      for (const BucketState& bucket : buckets)
        order.insert(order.end(), bucket.members.begin(), bucket.members.end());
    }
    if (report.passes > 0) adopt_order();
  }
  ++report.passes;
  const std::vector<bool> none(parameters.size(), false);
  used = none;
  if (skips_unused()) count_users(none);
  for (std::size_t index = 0; index < buckets.size(); ++index) {
    fill_elements(buckets[index].flat, Scalar(0));
    launch(index);
  }
  if (looks_for_unused() && !skips_unused()) count_users(none);
  for (BucketState& bucket : buckets)
    if (bucket.finish) std::exchange(bucket.finish, nullptr)();
}

void GradientReducer::State::on_gradient(std::size_t parameter) {
  const std::lock_guard guard(lock);
  kept[parameter] = true;
  begin_backward();
  if (active) mark_ready(parameter);
}

void GradientReducer::State::mark_ready(std::size_t parameter) {
  if (ready[parameter])
    refuse(concat("Expected to mark a variable ready only once: the gradient of parameter ",
                  name_of(parameter), " (number ", std::int64_t(parameter),
                  ") came twice in one iteration: two backward passes after one forward pass (use no_sync() "
                  "for the first), or a parameter that several checkpoints use"));
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
  if (skips_unused() && std::ranges::none_of(bucket.members, [&](std::size_t i) { return report.users[i]; }))
    return;
  if (report.buckets_reduced++ == 0) report.reduction_begin = now();
  if (!hook) {
    tell_watcher("all_reduce", bucket.flat);
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
  report.backward_end = now();
  if (looks_for_unused() && !skips_unused()) count_users(kept);
  for (BucketState& bucket : buckets) {
    if (!bucket.finish) continue;
    const Tensor result = std::exchange(bucket.finish, nullptr)();
    if (!result.is(bucket.flat)) {
      check<ShapeError>(result.defined() && result.numel() == bucket.flat.numel(),
                        "DistributedDataParallel: the communication hook must give a tensor of shape ",
                        bucket.flat.sizes());
      copy_elements(result, bucket.flat);
    }
    for (std::size_t i = 0; i < bucket.members.size(); ++i)
      deliver(bucket.members[i], bucket.views[i], !looks_for_unused() || report.users[bucket.members[i]] > 0);
  }
  report.reduction_end = now();
  kept.assign(parameters.size(), false);
  if (looks_for_unused()) compare_graphs();
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
  state_->kept.assign(state_->parameters.size(), false);
  state_->used.assign(state_->parameters.size(), true);
  state_->lay_out_first();
  for (const BucketState& bucket : state_->buckets)
    state_->report.first_bucket_bytes.push_back(bytes_of(bucket.flat));
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

bool GradientReducer::rebuild_buckets() {
  const NoGrad no_grad;
  const std::lock_guard guard(state_->lock);
  return state_->rebuild_buckets();
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

ReductionReport GradientReducer::report() const {
  const std::lock_guard guard(state_->lock);
  ReductionReport report = state_->report;
  report.rebuilt = state_->order_known;
  report.ready_order = state_->order;
  for (const BucketState& bucket : state_->buckets) report.buckets.push_back(bucket.members);
  for (std::size_t i = 0; i < state_->parameters.size(); ++i)
    if (!state_->used[i]) report.unused_bytes += bytes_of(state_->parameters[i]);
  return report;
}

void GradientReducer::check_finished() {
  const std::lock_guard guard(state_->lock);
  if (state_->active && state_->arrived > 0) state_->refuse_unfinished();
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
