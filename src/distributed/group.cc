// What a process group consists of: its ranks, its transport, the check before each collective, and its
// failures.
#include "distributed/group.h"

#include <algorithm>
#include <cstring>

#include "taper/autograd.h"
#include "taper/error.h"
#include "taper/ops.h"

namespace taper::distributed {

namespace {

// What a rank shows of its collective when ranks do not agree.
constexpr std::size_t shown_bytes = 512;
// How long to wait for the rendezvous to say who was lost, once a connection broke.
constexpr Milliseconds patience{1500};

// Fowler, Noll and Vo's hash, 64 bits, variant 1a.
std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  std::uint64_t value = 14695981039346656037ull ^ seed;
  for (const char byte : text) value = (value ^ std::uint8_t(byte)) * 1099511628211ull;
  return value;
}

}  // namespace

Tensor row_major(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : contiguous(tensor.detach());
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
      executor(Executor::start()) {}

void ProcessGroup::State::shut_down() {
  break_off("the group was destroyed");
  executor->stop("the group was destroyed");
}

ProcessGroup::State::~State() {
  shut_down();
  // Transfers run in threads of their own, which end now that the transport is broken off.
  while (open_transfers > 0) std::this_thread::sleep_for(Milliseconds(1));
  client->forget(name);
}

std::string ProcessGroup::State::label(const std::string& what, std::uint64_t number) const {
  return concat(what, ", collective ", number, " of group '", name, "', on rank ",
                global_ranks[std::size_t(rank)]);
}

void ProcessGroup::State::check_rank(int asked, const char* collective, const char* role) const {
  check<ValueError>(asked >= 0 && asked < size(), collective, ": ", role, " is rank ", asked,
                    " of a group of ", size(), " ranks");
}

Work ProcessGroup::State::start(std::string what, Tensors writes, std::function<void(std::uint32_t)> body) {
  for (const Tensor& tensor : writes) tensor.storage().wrote("a collective");
  return Work(executor->add([this, what = std::move(what), body = std::move(body)] { run(what, body); },
                            std::move(writes)));
}

void ProcessGroup::State::run(const std::string& what, const std::function<void(std::uint32_t)>& body) {
  std::unique_lock lock(lock_);
  const std::uint64_t number = ++number_;
  std::string trouble = broken_;
  if (trouble.empty()) trouble = who_left(number);
  inside_ = true;
  lock.unlock();
  check<DistributedError>(trouble.empty(), label(what, number), ": ", trouble);
  client->note(name, {number, true, what});
  try {
    agree(number, what, "the ranks do not agree on what to do", 0);
    body(std::uint32_t(number));
  } catch (const Error&) {
    lock.lock();
    inside_ = false;
    client->note(name, {number, false, what});
    throw;
  } catch (const std::exception& error) {
    explain(what, error.what());
  }
  lock.lock();
  inside_ = false;
  client->note(name, {number, false, what});
}

// After ceil(log2(size)) rounds in which rank r hears what r - 2^k has heard so far, each has heard of all;
// the smallest and the largest hash are equal where all are.
void ProcessGroup::State::agree(std::uint64_t number, const std::string& what, const std::string& fault,
                                std::uint8_t stage) {
  const std::uint64_t own = hash(what, number);
  std::uint64_t seen[2] = {own, own}, heard[2];
  std::uint8_t channel = std::uint8_t(stage * 64);
  for (int step = 1; step < size(); step *= 2, ++channel) {
    transport->exchange((rank + step) % size(), seen, (rank - step + size()) % size(), heard, sizeof seen,
                        std::uint32_t(number), channel);
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
  transport->abort();
}

std::string ProcessGroup::State::who_left(std::uint64_t number) {
  for (const auto& [rank, last] : departed_)
    if (last < number)
      return concat("rank ", rank, " has left the job after its collective ", last,
                    " without calling this one");
  return {};
}

void ProcessGroup::State::farewell(int global_rank, const Status& status) {
  if (std::find(global_ranks.begin(), global_ranks.end(), global_rank) == global_ranks.end()) return;
  const auto entry = status.find(name);
  std::unique_lock lock(lock_);
  departed_[global_rank] = entry == status.end() ? 0 : entry->second.entered;
  const std::string trouble = inside_ ? who_left(number_) : "";
  lock.unlock();
  if (!trouble.empty()) break_off(trouble);
}

std::string ProcessGroup::State::who_is_missing(std::uint64_t number) {
  std::string missing;
  try {
    const auto members = client->status();
    for (const int global : global_ranks) {
      const auto& member = members[std::size_t(global)];
      const auto entry = member.status.find(name);
      const Progress progress = entry == member.status.end() ? Progress{} : entry->second;
      if (progress.entered >= number) continue;
      missing += concat(missing.empty() ? "" : "; ", "rank ", global, " has not called it (its last was ",
                        progress.entered == 0 ? "none" : progress.what, ", collective ", progress.entered,
                        progress.inside ? ", where it still is)" : ")");
    }
  } catch (const Error& error) {
    missing = error.what();
  }
  return missing.empty() ? "all ranks are in it, but the data did not arrive in time" : missing;
}

void ProcessGroup::State::explain(const std::string& what, const std::string& cause) {
  std::unique_lock lock(lock_);
  const std::uint64_t number = number_;
  std::string reason = broken_;
  lock.unlock();
  if (reason.empty() && cause.find("Timed out") != std::string::npos) {
    reason = concat("timed out after ", double(timeout) / 1000.0, " s: ", who_is_missing(number));
    client->report_failure(
        concat("rank ", global_ranks[std::size_t(rank)], " gave up in ", label(what, number), ": ", reason));
  }
  if (reason.empty()) reason = client->failure(patience);
  lock.lock();
  if (reason.empty()) reason = who_left(~std::uint64_t(0));
  if (reason.empty()) reason = concat("the connection to another rank failed: ", cause);
  if (broken_.empty()) broken_ = reason;
  inside_ = false;
  lock.unlock();
  transport->abort();
  fail<DistributedError>(label(what, number), ": ", reason);
}

Work ProcessGroup::State::start_transfer(std::function<int()> body, Tensors writes, std::string what) {
  for (const Tensor& tensor : writes) tensor.storage().wrote("recv");
  auto shared = std::make_shared<Work::Shared>();
  shared->result = std::move(writes);
  ++open_transfers;
  std::thread([this, shared, body = std::move(body), what = std::move(what)]() mutable {
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
        explain(what, error.what());
      } catch (...) {
        failure = std::current_exception();
      }
    }
    body = nullptr;
    shared->finish(std::move(failure));
    shared.reset();
    --open_transfers;
  }).detach();
  return Work(std::move(shared));
}

}  // namespace taper::distributed
