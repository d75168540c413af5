// Queues and clocks.
#include "runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../ptx/access_checker.h"
#include "../ptx/host_memory.h"
#include "../ptx/report.h"

namespace device_sim {
namespace {

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

Policy policy_from_environment() {
  const char* text = std::getenv("DEVICE_SIM_POLICY");
  if (text && std::strcmp(text, "eager") == 0) return Policy::eager;
  return text && std::strcmp(text, "random") == 0 ? Policy::random : Policy::late;
}

}  // namespace

void join(Clock& clock, const Clock& other) {
  for (const auto& [stream, sequence] : other) clock[stream] = std::max(clock[stream], sequence);
}

Runtime& Runtime::instance() {
  static auto& runtime = *new Runtime;
  return runtime;
}

Runtime::Runtime() {
  policy = policy_from_environment();
  schedule = number_from_environment("DEVICE_SIM_SCHEDULE", 0);
  random.seed(number_from_environment("DEVICE_SIM_SEED", 1));
  DeviceMemory::instance().set_capacity(number_from_environment("DEVICE_SIM_MEMORY", uint64_t(4) << 30));
  AccessChecker::instance().ordered_operations = [this](uint32_t a, uint32_t b) { return ordered(a, b); };
  pinned_memory_test = is_pinned;
  create_stream(true, 0);
}

void Runtime::clear() {
  const Lock lock(mutex);
  for (auto& stream : streams_) {
    stream->queue.clear();
    stream->done = stream->enqueued;
  }
  sticky = cudaSuccess;
}

cudaStream_t Runtime::create_stream(bool blocking, int priority) {
  streams_.push_back(std::make_unique<CUstream_st>());
  streams_.back()->id = next_stream_++;
  streams_.back()->blocking = blocking;
  streams_.back()->priority = priority;
  return streams_.back().get();
}

void Runtime::destroy_stream(CUstream_st* stream) { stream->destroyed = true; }

CUstream_st* Runtime::stream(cudaStream_t handle) {
  if (!handle || handle == cudaStreamLegacy || handle == cudaStreamPerThread) return streams_[0].get();
  for (const auto& stream : streams_) {
    if (stream.get() != handle) continue;
    if (!stream->destroyed) return handle;
    report("destroyed-handle", "use of a destroyed stream");
    return nullptr;
  }
  report("destroyed-handle", "use of an unknown stream");
  return nullptr;
}

const Clock* Runtime::after(uint32_t stream, uint32_t sequence) const {
  const auto found = ids_.find({stream, sequence});
  return found == ids_.end() ? nullptr : &operations_[found->second - first_].after;
}

bool Runtime::ordered(uint32_t earlier, uint32_t later) const {
  const auto part = parts_.find(earlier), other = parts_.find(later);
  if (part != parts_.end()) {
    if (other != parts_.end() && other->second.whole == part->second.whole)
      return earlier == later || (*other->second.before)[other->second.node][part->second.node] != 0;
    earlier = part->second.whole;
  }
  if (other != parts_.end()) later = other->second.whole;
  if (earlier == later || earlier < first_) return true;
  if (later < first_) return false;
  const Known& a = operations_[earlier - first_];
  const Clock& b = operations_[later - first_].after;
  const auto known = b.find(a.stream);
  return known != b.end() && known->second >= a.sequence;
}

void Runtime::run_one(const Operation& operation) {
  running_ = operation.id;
  AccessChecker::instance().begin_operation(operation.id);
  if (sticky == cudaSuccess) operation.run();
}

void Runtime::run_until(CUstream_st& stream, uint32_t sequence) {
  while (stream.done < sequence && !stream.queue.empty()) {
    const Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    for (const auto& [id, needed] : operation.after)
      for (const auto& other : streams_)
        if (other->id == id && id != stream.id) run_until(*other, needed);
    stream.done = operation.sequence;
    run_one(operation);
  }
}

void Runtime::host_saw(const Clock& clock) {
  const Clock copy = clock;
  join(host_, copy);
  for (const auto& [stream, sequence] : copy)
    if (const Clock* more = after(stream, sequence)) join(host_, *more);
}

// Where nothing waits, all that was is before all that comes: its numbers may be forgotten.
void Runtime::forget_if_idle() {
  for (const auto& stream : streams_) {
    const auto seen = host_.find(stream->id);
    const uint32_t sequence = seen == host_.end() ? 0 : seen->second;
    if (!stream->queue.empty() || stream->capture || sequence < stream->enqueued) return;
  }
  first_ += uint32_t(operations_.size());
  operations_.clear();
  ids_.clear();
  parts_.clear();
  std::erase_if(streams_, [](const auto& stream) { return stream->destroyed; });
}

cudaError_t Runtime::synchronize(const Clock& clock) {
  for (const auto& [id, sequence] : clock)
    for (const auto& stream : streams_)
      if (stream->id == id) {
        run_until(*stream, sequence);
        break;
      }
  host_saw(clock);
  forget_if_idle();
  return sticky;
}

cudaError_t Runtime::synchronize_device() {
  Clock all;
  for (const auto& stream : streams_)
    if (stream->enqueued) all[stream->id] = stream->enqueued;
  return synchronize(all);
}

bool Runtime::query(const Clock& clock) {
  maybe_run_some();
  for (const auto& [id, sequence] : clock)
    for (const auto& stream : streams_)
      if (stream->id == id && stream->done < sequence) {
        run_until(*stream, stream->done + 1);
        return false;
      }
  host_saw(clock);
  return true;
}

Clock Runtime::clock_of(const CUstream_st& stream) const {
  Clock clock;
  if (stream.enqueued) clock[stream.id] = stream.enqueued;
  join(clock, stream.known);
  if (stream.id == 0)
    for (const auto& other : streams_)
      if (other->blocking && other->enqueued) clock[other->id] = other->enqueued;
  return clock;
}

bool Runtime::any_capture() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const auto& stream) { return stream->capture != nullptr; });
}

void Runtime::end_capture(const std::shared_ptr<CUgraph_st>& graph) {
  for (const auto& stream : streams_) {
    if (stream->capture != graph) continue;
    stream->capture = nullptr;
    stream->capture_origin = false;
    stream->capture_tail.clear();
  }
}

void Runtime::maybe_run_some() {
  if (policy != Policy::random) return;
  for (size_t k = 0; k < streams_.size(); ++k) {
    CUstream_st& stream = *streams_[k];
    if (!stream.queue.empty() && random() % 4 == 0) run_until(stream, stream.done + 1);
  }
}

cudaError_t Runtime::enqueue(cudaStream_t handle, std::function<void()> run) {
  CUstream_st* stream = this->stream(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture) {
    stream->capture->nodes.push_back({std::move(run), stream->capture_tail});
    stream->capture_tail = {stream->capture->nodes.size() - 1};
    return cudaSuccess;
  }
  Clock after = stream->known;
  join(after, host_);
  // The legacy default stream waits for all blocking streams and they for it.
  for (const auto& other : streams_)
    if (other.get() != stream && other->blocking && stream->blocking && other->enqueued &&
        (stream->id == 0 || other->id == 0))
      after[other->id] = std::max(after[other->id], other->enqueued);
  for (const auto& [id, sequence] : Clock(after))
    if (const Clock* more = this->after(id, sequence)) join(after, *more);
  const uint32_t sequence = ++stream->enqueued;
  after[stream->id] = sequence;
  const uint32_t id = first_ + uint32_t(operations_.size());
  operations_.push_back({stream->id, sequence, after});
  ids_[{stream->id, sequence}] = id;
  stream->known = after;
  stream->queue.push_back({id, sequence, after, std::move(run)});
  if (policy == Policy::eager) run_until(*stream, sequence);
  else maybe_run_some();
  return sticky;
}

void Runtime::run_graph(const std::vector<GraphNode>& nodes) {
  const size_t count = nodes.size();
  const uint32_t whole = running_;
  auto before = std::make_shared<std::vector<std::vector<char>>>(count, std::vector<char>(count, 0));
  for (size_t node = 0; node < count; ++node)
    for (const size_t earlier : nodes[node].after) {
      (*before)[node][earlier] = 1;
      for (size_t k = 0; k < count; ++k) (*before)[node][k] |= (*before)[earlier][k];
    }
  std::vector<char> done(count, 0);
  for (size_t k = 0; k < count && sticky == cudaSuccess; ++k) {
    std::vector<size_t> ready;
    for (size_t node = 0; node < count; ++node)
      if (!done[node] &&
          std::all_of(nodes[node].after.begin(), nodes[node].after.end(), [&](size_t n) { return done[n]; }))
        ready.push_back(node);
    const size_t node = ready[policy == Policy::eager ? 0 : random() % ready.size()];
    const uint32_t id = first_ + uint32_t(operations_.size());
    const Known parent = operations_[whole - first_];
    operations_.push_back(parent);
    parts_[id] = {whole, node, before};
    AccessChecker::instance().begin_operation(id);
    nodes[node].run();
    done[node] = 1;
  }
}

}  // namespace device_sim
