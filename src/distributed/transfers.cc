// send and recv, and the barrier that tells who is late.
#include <algorithm>
#include <cstring>

#include "distributed/flat.h"
#include "distributed/group.h"
#include "ops/elementwise.h"
#include "taper/cuda.h"
#include "taper/error.h"
#include "taper/ops.h"
#include "tensor/layout.h"

namespace taper::distributed {

namespace {

// What goes ahead of a tensor, and what its receiver answers: both compare before data flows.
struct Announcement {
  std::uint64_t number = 0;
  char what[240] = {};
};

Announcement announce(const Tensor& tensor, std::uint64_t number) {
  Announcement announcement{number, {}};
  const std::string text = concat(tensor.dtype(), " ", tensor.sizes());
  std::memcpy(announcement.what, text.data(), std::min(text.size(), sizeof announcement.what - 1));
  return announcement;
}

// How often one that waits for others looks whether they left.
constexpr Milliseconds look_around{200};

// Lanes of the transport.
constexpr std::uint8_t announcements = 0, answers = 1, contents = 2;

}  // namespace

Work ProcessGroup::send(const Tensor& tensor, int destination, std::uint32_t tag) {
  state_->check_rank(destination, "send", "dst");
  check<ValueError>(destination != rank(),
                    "send: Invalid destination rank: destination rank should not be the same as the rank of "
                    "the current process");
  State* state = state_.get();
  const std::string what =
      concat("send(", tensor.dtype(), " ", tensor.sizes(), ", to rank ", destination, ")");
  struct Message {
    Announcement own, answer;
    std::unique_ptr<Transfer> announcing, answering;
  };
  auto message = std::make_shared<Message>();
  message->own = announce(tensor, ++state->transfers);
  Transport& transport = *state->transport;
  state->begin(what, [&] {
    message->announcing =
        transport.begin_send(&message->own, sizeof message->own, destination, tag, announcements);
    message->answering = transport.begin_receive(&message->answer, sizeof message->answer, destination,
                                                 message->own.number, answers);
  });
  // Tensors on a device go through main memory.
  const auto body = [=, row = row_major(to(tensor.detach(), Device()))] {
    message->announcing->sent();
    message->answering->received();
    message->answer.what[sizeof message->answer.what - 1] = '\0';
    check<DistributedError>(std::strcmp(message->own.what, message->answer.what) == 0, what, " on rank ",
                            state->global_ranks[std::size_t(state->rank)], ": the receiver expects ",
                            message->answer.what);
    if (row.numel() == 0) return -1;
    state->transport
        ->begin_send(row.data(), std::size_t(row.numel() * row.item_size()), destination, message->own.number,
                     contents)
        ->sent();
    return -1;
  };
  return state->start_transfer(body, {}, what, destination);
}

Work ProcessGroup::recv(const Tensor& tensor, std::optional<int> source, std::uint32_t tag) {
  if (source) {
    state_->check_rank(*source, "recv", "src");
    check<ValueError>(*source != rank(),
                      "recv: Invalid source rank: source rank should not be the same as the rank of the "
                      "current process");
  }
  check_writable(tensor, "recv");
  State* state = state_.get();
  const std::string what = concat("recv(", tensor.dtype(), " ", tensor.sizes(), ", from ",
                                  source ? "rank " + std::to_string(*source) : "any rank", ")");
  struct Message {
    Announcement announced;
    std::unique_ptr<Transfer> announcing;
  };
  auto message = std::make_shared<Message>();
  state->begin(what, [&] {
    message->announcing = state->transport->begin_receive(&message->announced, sizeof message->announced,
                                                          source, tag, announcements);
  });
  std::optional<cuda::Stream> stream;
  if (!tensor.device().is_cpu()) stream = cuda::current_stream(tensor.device().index);
  const auto body = [=] {
    const int from = message->announcing->received();
    const Announcement own = announce(tensor, message->announced.number);
    state->transport->begin_send(&own, sizeof own, from, own.number, answers)->sent();
    message->announced.what[sizeof message->announced.what - 1] = '\0';
    check<DistributedError>(std::strcmp(own.what, message->announced.what) == 0, what, " on rank ",
                            state->global_ranks[std::size_t(state->rank)], ": rank ",
                            state->global_ranks[std::size_t(from)], " sends ", message->announced.what);
    if (tensor.numel() == 0) return from;
    const Tensor row = tensor.is_contiguous() && !stream ? tensor : empty(tensor.sizes(), tensor.dtype());
    state->transport
        ->begin_receive(row.data(), std::size_t(row.numel() * row.item_size()), from, own.number, contents)
        ->received();
    std::optional<cuda::StreamGuard> current;
    if (stream) current.emplace(*stream);
    if (!row.is(tensor)) copy_elements(row, tensor);
    return from;
  };
  return state->start_transfer(body, {tensor}, what, source);
}

void ProcessGroup::monitored_barrier(std::chrono::milliseconds timeout, bool wait_all_ranks) {
  const auto key_of = [&](std::uint64_t number) {
    return concat("monitored_barrier/", name(), "/", number, "/");
  };
  const std::uint64_t number = ++state_->monitored;
  const std::string key = key_of(number);
  Client& client = *state_->client;
  const int own = state_->global_ranks[std::size_t(rank())];
  client.set(key + std::to_string(rank()), "here");
  // Ends before the deadline where the rank that is to set it has left the job.
  const auto await = [&](const std::string& key, int from, std::string& value, Deadline deadline) {
    for (;;) {
      const bool departed = client.departed().contains(state_->global_ranks[std::size_t(from)]);
      const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now());
      if (client.try_get(key, value, std::clamp(left, Milliseconds(0), look_around))) return true;
      if (departed || left <= look_around) return false;
    }
  };
  std::string verdict, value;
  std::size_t late = 0;
  bool out_of_time = false;
  if (rank() == 0) {
    const Deadline deadline = after(timeout);
    for (int other = 1; other < size() && (verdict.empty() || wait_all_ranks); ++other) {
      const bool over = Clock::now() >= deadline;
      if (await(key + std::to_string(other), other, value, deadline)) continue;
      if (over && verdict.empty()) out_of_time = true;
      verdict += (verdict.empty() ? "" : ", ") + std::to_string(state_->global_ranks[std::size_t(other)]);
      ++late;
    }
    client.set(key + "verdict", verdict.empty() ? "all" : verdict);
    // Who is here has read what the last one left.
    if (verdict.empty() && number > 1) {
      client.delete_key(key_of(number - 1) + "verdict");
      for (int other = 0; other < size(); ++other)
        client.delete_key(key_of(number - 1) + std::to_string(other));
    }
    check<DistributedError>(!out_of_time, "monitored_barrier of group '", name(), "': Rank ", own,
                            " timed out in monitoredBarrier after ", timeout.count(),
                            " ms; of these it has not heard: ", verdict);
    check<DistributedError>(verdict.empty(), "monitored_barrier of group '", name(),
                            late > 1 ? "': Ranks " : "': Rank ", verdict,
                            " failed to pass monitoredBarrier within ", timeout.count(), " ms");
    return;
  }
  const std::string reached = concat("monitored_barrier of group '", name(), "': Rank ", own,
                                     " successfully reached monitoredBarrier, but received errors while "
                                     "waiting for send/recv from rank ",
                                     state_->global_ranks[0], ": ");
  // Rank 0 may have begun later; it still has its whole time.
  check<DistributedError>(await(key + "verdict", 0, verdict, after(2 * timeout)), reached,
                          "it did not reach it");
  check<DistributedError>(verdict == "all", reached, "within ", timeout.count(),
                          " ms these did not reach it: rank ", verdict);
}

}  // namespace taper::distributed
