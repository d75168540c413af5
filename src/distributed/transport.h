// What a process group asks of the engine that moves bytes; Gloo's is in gloo/transport.cc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "taper/distributed.h"

namespace taper::distributed {

/// Combines count elements: result[i] = a[i] op b[i]; result may be a.
using Combine = void (*)(void* result, const void* a, const void* b, std::size_t count);

/// A message under way between two ranks; must outlive nothing but its memory.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// Both throw what made the transfer fail; received returns the rank that sent.
  virtual void sent() = 0;
  virtual int received() = 0;
};

/// How elements become one.
struct Reduction {
  ReduceOp op;
  DType dtype;
  Combine combine;
  std::size_t item_size() const { return std::size_t(taper::item_size(dtype)); }
};

/// Moves bytes among the ranks of one group. All methods throw an exception that says little: the group knows
/// what was going on. They carry a tag, which must be equal on all ranks.
class Collectives {
 public:
  virtual ~Collectives() = default;
  /// data becomes the combination of all ranks' data; the same bits on all ranks.
  virtual void all_reduce(void* data, std::size_t count, const Reduction& reduction, std::uint32_t tag) = 0;
  virtual void reduce(void* data, std::size_t count, const Reduction& reduction, int root,
                      std::uint32_t tag) = 0;
  /// output becomes the combination of all ranks' parts of this rank's number; count elements each.
  virtual void reduce_scatter(void* output, const void* input, std::size_t count, const Reduction& reduction,
                              std::uint32_t tag) = 0;
  virtual void broadcast(void* data, std::size_t bytes, int root, std::uint32_t tag) = 0;
  /// output: bytes of each rank, in order.
  virtual void all_gather(void* output, const void* input, std::size_t bytes, std::uint32_t tag) = 0;
  virtual void gather(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) = 0;
  virtual void scatter(void* output, const void* input, std::size_t bytes, int root, std::uint32_t tag) = 0;
  /// Parts by rank, in order.
  virtual void all_to_all(void* output, const std::vector<std::int64_t>& output_bytes, const void* input,
                          const std::vector<std::int64_t>& input_bytes, std::uint32_t tag) = 0;
};

/// Collectives on main memory, and messages between two ranks. Collectives block.
class Transport : public Collectives {
 public:
  virtual void set_timeout(std::chrono::milliseconds timeout) = 0;
  /// Begins to send to one rank and to receive from another. What comes may be shorter than room.
  virtual std::unique_ptr<Transfer> begin_exchange(int to, const void* output, std::size_t bytes, int from,
                                                   void* input, std::size_t room, std::uint64_t tag,
                                                   std::uint8_t lane) = 0;
  /// begin_exchange, and waits.
  void exchange(int to, const void* output, std::size_t bytes, int from, void* input, std::size_t room,
                std::uint64_t tag, std::uint8_t lane) {
    const auto transfer = begin_exchange(to, output, bytes, from, input, room, tag, lane);
    transfer->received();
    transfer->sent();
  }
  /// Begin without waiting. Messages between two ranks with the same tag and lane arrive in order.
  virtual std::unique_ptr<Transfer> begin_send(const void* data, std::size_t bytes, int to, std::uint64_t tag,
                                               std::uint8_t lane) = 0;
  virtual std::unique_ptr<Transfer> begin_receive(void* data, std::size_t bytes, std::optional<int> from,
                                                  std::uint64_t tag, std::uint8_t lane) = 0;
  /// Makes all that waits, now and later, throw. From any thread.
  virtual void abort() noexcept = 0;
};

/// What the ranks of one group have in common while they connect.
struct Exchange {
  /// What they tell each other.
  std::function<void(const std::string& key, const std::string& value)> set;
  std::function<std::string(const std::string& key)> get;
  /// HMAC-SHA-256 of a text and the group's name under the job's secret.
  std::function<std::string(const std::string& text)> prove;
  /// Throws DistributedError when one of them is lost or has left.
  std::function<void()> check;
};

/// Whether there is a transport; loads it.
bool has_transport();
/// Connects every rank of a group with every other, from the local address given. Throws DistributedError.
std::unique_ptr<Transport> connect_transport(int rank, int size, const std::string& address,
                                             const Exchange& exchange, std::chrono::milliseconds timeout);

}  // namespace taper::distributed
