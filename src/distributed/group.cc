// What a process group consists of: its ranks, its transport, the check before each collective, and its
// failures.
#include "distributed/group.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/hash.h"
#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/device_runtime.h"
#include "tensor/meta.h"

namespace taper::distributed {

namespace {

// What a rank shows of its collective when ranks do not agree.
constexpr std::size_t shown_bytes = 512;
// How long to wait for the rendezvous to say who was lost, once a connection broke.
constexpr Milliseconds patience{1500};

// What a rank sent before it left comes no later than this.
constexpr Milliseconds latest_message{1000};

// The most that travels with a greeting. Two ranks send as much as in a ring, in one step instead of two;
// more ranks send more.
constexpr std::size_t small_bytes(int size) { return (size == 2 ? 1024 : 64) << 10; }
// The transport's lane of greetings; transfers.cc has the lower ones.
constexpr std::uint8_t greetings = 3;

bool asks_for_details() {
  const char* level = std::getenv("TORCH_DISTRIBUTED_DEBUG");
  return level && std::string_view(level) == "DETAIL";
}

// Of a group, for one collective.
class OtherTimeout {
 public:
  OtherTimeout(ProcessGroup::State& state, Milliseconds timeout)
      : state_(state), usual_(state.timeout.load()) {
    state_.set_timeout(timeout);
  }
  ~OtherTimeout() { state_.set_timeout(usual_); }
  OtherTimeout(const OtherTimeout&) = delete;
  OtherTimeout& operator=(const OtherTimeout&) = delete;

 private:
  ProcessGroup::State& state_;
  const Milliseconds usual_;
};

}  // namespace

std::string destroyed_key(const std::string& group, int global_rank) {
  return concat("group/", group, "/destroyed/", global_rank);
}

ProcessGroup::State::State(std::string name, int rank, std::vector<int> global_ranks,
                           std::shared_ptr<Client> client, std::unique_ptr<Transport> transport,
                           Milliseconds timeout)
    : name(std::move(name)),
      rank(rank),
      global_ranks(std::move(global_ranks)),
      client(std::move(client)),
      transport(std::move(transport)),
      timeout(timeout.count()),
      executor(Executor::start()),
      told_(std::make_unique_for_overwrite<std::byte[]>(sizeof(Greeting) + small_bytes(size()))),
      compares_devices_(asks_for_details()) {
  for (int step = 1; step < size(); step *= 2)
    heard_.push_back(std::make_unique_for_overwrite<std::byte[]>(sizeof(Greeting) + small_bytes(size())));
}

void ProcessGroup::State::shut_down() {
  std::unique_lock lock(lock_);
  const bool broken = !broken_.empty();
  lock.unlock();
  if (!broken)
    for (DeviceQueue* queue : queues()) queue->drain();
  break_off("the group was destroyed");
  executor->stop("the group was destroyed");
}

ProcessGroup::State::~State() {
  shut_down();
  // Transfers run in threads of their own, which end now that the transport is broken off.
  const auto done = [this] {
    const std::lock_guard lock(lock_);
    return open_transfers_.empty();
  };
  while (!done()) std::this_thread::sleep_for(Milliseconds(1));
  client->forget(name);
}

std::string ProcessGroup::State::label(const std::string& what, std::uint64_t number) const {
  return concat(what, number == transfer ? "" : concat(", collective ", number), " of group '", name,
                "', on rank ", global_ranks[std::size_t(rank)]);
}

void ProcessGroup::State::set_timeout(Milliseconds given) {
  check<ValueError>(given.count() > 0, "timeout: must be positive");
  timeout = given.count();
  transport->set_timeout(given);
}

void ProcessGroup::State::check_rank(int asked, const char* collective, const char* role) const {
  check<ValueError>(asked >= 0 && asked < size(), collective, ": ", role, " is rank ", asked,
                    " of a group of ", size(), " ranks");
}

Work ProcessGroup::State::start(std::string what, const Tensors& reads, Tensors writes,
                                std::function<void(std::uint32_t)> body, std::optional<Small> small,
                                std::optional<Milliseconds> limit) {
  for (const Tensor& tensor : writes) tensor.storage().wrote("a collective");
  Tensors used = reads;
  used.insert(used.end(), writes.begin(), writes.end());
  for (const Tensor& tensor : used)
    check<DeviceError>(!is_meta(tensor.device()), what, ": got a tensor on meta (shape ", tensor.sizes(),
                       "), which has no elements");
  if (!used.empty() && !used.front().device().is_cpu())
    return start_on_device(std::move(what), std::move(used), std::move(writes), std::move(body));
  const auto tagged = [body = std::move(body)](std::uint64_t number) { body(std::uint32_t(number)); };
  const auto job = [this, what, tagged, small, limit] {
    std::optional<OtherTimeout> other;
    if (limit) other.emplace(*this, *limit);
    run(what, tagged, small, true);
  };
  return Work(executor->add(job, std::move(writes), std::move(what)));
}

Work ProcessGroup::State::start_on_device(std::string what, Tensors tensors, Tensors writes,
                                          std::function<void(std::uint32_t)> body) {
  const int device = tensors.front().device().index;
  DeviceQueue& queue = queue_of(device);
  const auto ready = std::make_shared<cuda::Event>(), done = std::make_shared<cuda::Event>();
  ready->record(cuda::current_stream(device));
  const Body queued = [=, this, &queue](std::uint64_t number) {
    queue.run(
        {what, number}, *ready, tensors, [&] { body(std::uint32_t(number)); }, *done,
        after(Milliseconds(timeout.load())));
  };
  auto shared = executor->add([this, what, queued] { run(what, queued, {}, compares_devices_); },
                              std::move(writes), what);
  const std::lock_guard guard(shared->lock);
  shared->on_device = done;
  shared->device = device;
  return Work(shared);
}

DeviceQueue& ProcessGroup::State::queue_of(int device) {
  const std::lock_guard lock(lock_);
  std::unique_ptr<DeviceQueue>& queue = queues_[device];
  if (!queue)
    queue = std::make_unique<DeviceQueue>(
        device, rank, size(), [this, device] { return connect(device); },
        [this](const DeviceQueue::Label& label, const std::string& cause) {
          give_up(label.what, label.number, cause);
        });
  return *queue;
}

// In a collective, so all ranks come here in the same order.
std::unique_ptr<DeviceCommunicator> ProcessGroup::State::connect(int device) {
  const std::string key = concat("group/", name, "/communicator/", ++connections_);
  DeviceRuntime& runtime = device_runtime();
  if (rank == 0) client->set(key, runtime.communicator_name());
  const Deadline deadline = after(Milliseconds(timeout.load()));
  return runtime.connect(device, client->get(key), rank, size(), [&] {
    const std::lock_guard lock(lock_);
    check<DistributedError>(broken_.empty(), broken_);
    if (Clock::now() > deadline) throw std::runtime_error("Timed out");
  });
}

Collectives& ProcessGroup::State::collectives(Device device) {
  if (device.is_cpu()) return *transport;
  return queue_of(device.index);
}

void ProcessGroup::State::run(const std::string& what, const Body& body, const std::optional<Small>& small,
                              bool greets) {
  std::unique_lock lock(lock_);
  const std::uint64_t number = ++number_;
  std::string trouble = broken_;
  if (trouble.empty()) trouble = who_left(number);
  inside_ = true;
  lock.unlock();
  client->note(name, {number, true, what});
  try {
    check<DistributedError>(trouble.empty(), label(what, number), ": ", trouble);
    if (!greets || !greet(number, what, small)) body(number);
  } catch (const Error&) {
    lock.lock();
    inside_ = false;
    client->note(name, {number, false, what});
    throw;
  } catch (const std::exception& error) {
    explain(what, number, error.what());
  }
  lock.lock();
  inside_ = false;
  client->note(name, {number, false, what});
}

// In ceil(log2(size)) rounds each rank hears of all: in round k from the rank that differs in bit k, or,
// where the size is no power of two, from 2^k below. The smallest and the largest hash are equal where all
// are.
int ProcessGroup::State::partner(int step, bool to) const {
  if ((size() & (size() - 1)) == 0) return rank ^ step;
  return to ? (rank + step) % size() : (rank - step + size()) % size();
}

// One round: tells what was seen and summed so far, hears what another rank saw.
ProcessGroup::State::Greeting ProcessGroup::State::greet_partner(std::uint64_t number, std::size_t round,
                                                                 const Greeting& seen) {
  std::memcpy(told_.get(), &seen, sizeof seen);
  const std::uint64_t tag = number << 8 | round;
  const int step = 1 << round;
  transport->exchange(partner(step, true), told_.get(), sizeof seen + seen.bytes, partner(step, false),
                      heard_[round].get(), sizeof seen + small_bytes(size()), tag, greetings);
  Greeting heard;
  std::memcpy(&heard, heard_[round].get(), sizeof heard);
  return heard;
}

bool ProcessGroup::State::greet(std::uint64_t number, const std::string& what,
                                const std::optional<Small>& small) {
  const std::uint64_t own = fnv1a(what, number);
  const std::size_t bytes = small ? small->count * small->reduction.item_size() : 0;
  // Sums of the ranks heard of so far; only where ranks go by pairs does each count once.
  bool carries = small && bytes <= small_bytes(size()) && (size() & (size() - 1)) == 0;
  std::byte* sum = told_.get() + sizeof(Greeting);
  if (carries) std::memcpy(sum, small->data, bytes);
  Greeting seen{own, own, 0};
  for (std::size_t round = 0; round < heard_.size(); ++round) {
    seen.bytes = carries ? bytes : 0;
    const Greeting heard = greet_partner(number, round, seen);
    seen.low = std::min(seen.low, heard.low);
    seen.high = std::max(seen.high, heard.high);
    carries = carries && seen.low == seen.high && heard.bytes == bytes;
    if (!carries) continue;
    const std::byte* theirs = heard_[round].get() + sizeof heard;
    void* result = round + 1 == heard_.size() ? small->data : sum;
    // The lower rank's elements first, so that both get the same bits.
    if (rank < partner(1 << round, false)) small->reduction.combine(result, sum, theirs, small->count);
    else small->reduction.combine(result, theirs, sum, small->count);
  }
  if (seen.low != seen.high) disagree(number, what, "the ranks do not agree on what to do", 0);
  if (carries && small->reduction.op == ReduceOp::avg)
    divide(small->data, small->count, small->reduction.dtype, size());
  return carries;
}

void ProcessGroup::State::agree_on_parts(std::uint32_t number, const std::vector<std::int64_t>& sent,
                                         const std::vector<std::int64_t>& wanted) {
  std::vector<std::int64_t> offered(sent.size());
  const std::vector<std::int64_t> one(sent.size(), 8);
  transport->all_to_all(offered.data(), one, sent.data(), one, number);
  std::string fault;
  for (std::size_t other = 0; other < sent.size() && fault.empty(); ++other)
    if (offered[other] != wanted[other])
      fault = concat("expects ", wanted[other], " bytes from rank ", std::int64_t(other), ", which sends ",
                     offered[other]);
  agree(number, fault.empty() ? "its sizes fit" : fault, "the sizes of the parts differ", 1);
}

void ProcessGroup::State::agree(std::uint64_t number, const std::string& what, const std::string& fault,
                                std::uint8_t stage) {
  const std::uint64_t own = fnv1a(what, number);
  std::uint64_t seen[2] = {own, own}, heard[2];
  std::uint8_t channel = std::uint8_t(stage * 64);
  for (int step = 1; step < size(); step *= 2, ++channel) {
    transport->exchange((rank + step) % size(), seen, sizeof seen, (rank - step + size()) % size(), heard,
                        sizeof heard, number << 8 | channel, greetings);
    seen[0] = std::min(seen[0], heard[0]);
    seen[1] = std::max(seen[1], heard[1]);
  }
  if (seen[0] != seen[1]) disagree(number, what, fault, stage);
}

void ProcessGroup::State::disagree(std::uint64_t number, const std::string& what, const std::string& fault,
                                   std::uint8_t stage) {
  char own[shown_bytes] = {};
  std::memcpy(own, what.data(), std::min(what.size(), shown_bytes - 1));
  std::string all(shown_bytes * std::size_t(size()), '\0');
  transport->all_gather(all.data(), own, shown_bytes, std::uint32_t(number));
  std::vector<std::pair<std::string, std::string>> kinds;
  for (int other = 0; other < size(); ++other) {
    const std::string text(all.c_str() + std::size_t(other) * shown_bytes);
    const std::string shown = std::to_string(global_ranks[std::size_t(other)]);
    const auto same =
        std::find_if(kinds.begin(), kinds.end(), [&](auto& kind) { return kind.first == text; });
    if (same == kinds.end()) kinds.emplace_back(text, shown);
    else same->second += ", " + shown;
  }
  std::string list;
  for (const auto& [text, ranks] : kinds)
    list += concat(list.empty() ? "" : "; ", "rank ", ranks, ": ", text);
  fail<DistributedError>(
      label(stage == 0 ? what : "all_to_all", number), ": ", fault, ": ", list,
      ". All ranks must call the same collectives, in the same order, with fitting tensors");
}

void ProcessGroup::State::break_off(const std::string& reason) {
  std::unique_lock lock(lock_);
  if (broken_.empty()) broken_ = reason;
  lock.unlock();
  abort();
}

void ProcessGroup::State::abort() noexcept {
  transport->abort();
  std::unique_lock lock(lock_);
  const std::string reason = broken_;
  lock.unlock();
  for (DeviceQueue* queue : queues()) queue->give_up(reason);
}

std::vector<DeviceQueue*> ProcessGroup::State::queues() {
  const std::lock_guard lock(lock_);
  std::vector<DeviceQueue*> all;
  for (const auto& [device, queue] : queues_) all.push_back(queue.get());
  return all;
}

std::string ProcessGroup::State::who_left(std::uint64_t number) {
  for (const auto& [rank, departure] : departed_)
    if (departure.last_collective < number)
      return concat("rank ", rank, " has left the job after its collective ", departure.last_collective,
                    " without calling this one");
  return {};
}

void ProcessGroup::State::farewell(int global_rank, const Status& status) {
  if (std::find(global_ranks.begin(), global_ranks.end(), global_rank) == global_ranks.end()) return;
  const auto entry = status.find(name);
  std::unique_lock lock(lock_);
  departed_[global_rank] = {entry == status.end() ? 0 : entry->second.entered, Clock::now()};
  const std::string trouble = inside_ ? who_left(number_) : "";
  lock.unlock();
  if (!trouble.empty()) break_off(trouble);
}

bool ProcessGroup::State::is_orphan(const OpenTransfer& transfer) const {
  const auto has_left = [&](int other) {
    const auto departure = departed_.find(global_ranks[std::size_t(other)]);
    return departure != departed_.end() &&
           Clock::now() - std::max(departure->second.time, transfer.begun) > latest_message;
  };
  if (transfer.peer) return has_left(*transfer.peer);
  for (int other = 0; other < size(); ++other)
    if (other != rank && !has_left(other)) return false;
  return true;
}

void ProcessGroup::State::look_for_orphans() {
  std::unique_lock lock(lock_);
  const auto orphan = std::find_if(open_transfers_.begin(), open_transfers_.end(),
                                   [this](const auto& transfer) { return is_orphan(transfer); });
  if (orphan == open_transfers_.end() || !broken_.empty()) return;
  const std::string reason =
      orphan->peer ? concat("rank ", global_ranks[std::size_t(*orphan->peer)], " has left the job")
                   : "all other ranks have left the job";
  lock.unlock();
  break_off(reason);
}

std::string ProcessGroup::State::who_is_missing(std::uint64_t number) {
  std::string missing;
  const auto add = [&](const auto&... parts) { missing += concat(missing.empty() ? "" : "; ", parts...); };
  try {
    const auto members = client->status();
    for (const int global : global_ranks) {
      const auto& member = members[std::size_t(global)];
      const auto entry = member.status.find(name);
      const Progress progress = entry == member.status.end() ? Progress{} : entry->second;
      if (number == transfer) {
        if (progress.inside)
          add("rank ", global, " is in ", progress.what, ", collective ", progress.entered);
      } else if (progress.entered < number) {
        add("rank ", global, " has not called it (its last was ",
            progress.entered == 0 ? "none" : progress.what, ", collective ", progress.entered,
            progress.inside ? ", where it still is)" : ")");
      }
    }
  } catch (const Error& error) {
    missing = error.what();
  }
  if (number == transfer)
    return concat("no other rank called its counterpart", missing.empty() ? "" : "; ", missing);
  return missing.empty() ? "all ranks are in it, but the data did not arrive in time" : missing;
}

std::string ProcessGroup::State::who_destroyed() {
  try {
    for (const int global : global_ranks)
      if (client->check({destroyed_key(name, global)}))
        return concat("rank ", global, " has destroyed the group");
  } catch (const Error&) {
    // Then there is another reason.
  }
  return {};
}

void ProcessGroup::State::explain(const std::string& what, std::uint64_t number, const std::string& cause) {
  const std::string reason = give_up(what, number, cause);
  fail<DistributedError>(label(what, number), ": ", reason);
}

std::string ProcessGroup::State::give_up(const std::string& what, std::uint64_t number,
                                         const std::string& cause) {
  std::unique_lock lock(lock_);
  std::string reason = broken_;
  lock.unlock();
  if (reason.empty() && cause.find("Timed out") != std::string::npos) {
    reason = concat("Timed out waiting ", timeout.load(), "ms: ", who_is_missing(number));
    // Other groups go on.
    client->report_failure(
        concat("rank ", global_ranks[std::size_t(rank)], " gave up in ", label(what, number), ": ", reason),
        name);
  }
  if (reason.empty()) reason = who_destroyed();
  if (reason.empty()) reason = client->failure(patience, name);
  lock.lock();
  if (reason.empty()) reason = who_left(~std::uint64_t(0));
  if (reason.empty()) reason = concat("the connection to another rank failed: ", cause);
  if (broken_.empty()) broken_ = reason;
  inside_ = false;
  lock.unlock();
  abort();
  return reason;
}

Work ProcessGroup::State::start_transfer(std::function<int()> body, Tensors writes, std::string what,
                                         std::optional<int> peer) {
  for (const Tensor& tensor : writes) tensor.storage().wrote("recv");
  auto shared = std::make_shared<Work::Shared>();
  shared->result = std::move(writes);
  shared->what = what;
  std::unique_lock lock(lock_);
  const auto open = open_transfers_.insert(open_transfers_.end(), {peer, Clock::now()});
  lock.unlock();
  auto run = [this, shared, open, body = std::move(body), what = std::move(what)]() mutable {
    std::exception_ptr failure;
    try {
      const NoGrad no_grad;
      const int source = body();
      const std::lock_guard guard(shared->lock);
      shared->source = source;
    } catch (const Error&) {
      failure = std::current_exception();
    } catch (const std::exception& error) {
      try {
        explain(what, transfer, error.what());
      } catch (...) {
        failure = std::current_exception();
      }
    }
    body = nullptr;
    shared->finish(std::move(failure));
    const std::lock_guard guard(lock_);
    open_transfers_.erase(open);
  };
  if (RunsInWait::active()) run();
  else std::thread(std::move(run)).detach();
  return Work(std::move(shared));
}

}  // namespace taper::distributed
