// What a process group consists of: its ranks, its transport, the check before each collective, and its
// failures.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "distributed/client.h"
#include "distributed/combine.h"
#include "distributed/device_queue.h"
#include "distributed/executor.h"
#include "distributed/transport.h"
#include "taper/distributed.h"
#include "taper/error.h"

namespace taper::distributed {

/// What a rank sets in the store when it destroys a group, for those that go on calling its collectives.
std::string destroyed_key(const std::string& group, int global_rank);

/// An all_reduce of few contiguous elements, which can travel with the greeting.
struct Small {
  void* data;
  std::size_t count;
  Reduction reduction;
};

/// Stands for the number of a collective where a message between two ranks is meant.
inline constexpr std::uint64_t transfer = 0;

struct ProcessGroup::State {
  State(std::string name, int rank, std::vector<int> global_ranks, std::shared_ptr<Client> client,
        std::unique_ptr<Transport> transport, Milliseconds timeout);
  ~State();

  /// Queues a collective. what: all that must be equal on all ranks; body gets its tag. reads and writes: the
  /// tensors it uses, all on one device, and those of them that it changes. small: what body would do, where
  /// that is so little that it may be done on the way. limit: instead of the group's timeout.
  Work start(std::string what, const Tensors& reads, Tensors writes,
             std::function<void(std::uint32_t tag)> body, std::optional<Small> small = {},
             std::optional<Milliseconds> limit = {});
  void set_timeout(Milliseconds given);
  /// What moves tensors of a device; for bodies of start().
  Collectives& collectives(Device device);
  /// Inside of an all_to_all: that each rank sends as many bytes to each other as that expects.
  void agree_on_parts(std::uint32_t number, const std::vector<std::int64_t>& sent,
                      const std::vector<std::int64_t>& wanted);
  /// peer: the rank in the group on the other side, if it is known.
  Work start_transfer(std::function<int()> body, Tensors writes, std::string what, std::optional<int> peer);
  /// Runs begin; what the transport throws becomes an error that says what happened.
  template <class F>
  auto begin(const std::string& what, F&& begin) {
    try {
      return begin();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      explain(what, transfer, error.what());
    }
  }
  /// Ends everything under way and all later collectives with this reason.
  void break_off(const std::string& reason);
  void shut_down();
  /// Another rank said farewell, having entered so many collectives.
  void farewell(int global_rank, const Status& status);
  /// Breaks the group off where a message between two ranks waits for one that has left.
  void look_for_orphans();
  int size() const { return int(global_ranks.size()); }
  void check_rank(int rank, const char* collective, const char* role) const;

  const std::string name;
  const int rank;
  const std::vector<int> global_ranks;
  const std::shared_ptr<Client> client;
  const std::unique_ptr<Transport> transport;
  std::atomic<std::int64_t> timeout;  // milliseconds
  std::shared_ptr<Executor> executor;
  /// Makes messages between two ranks distinct.
  std::atomic<std::uint64_t> transfers{0};
  std::atomic<std::uint64_t> monitored{0};

 private:
  /// What each rank tells another before a collective: the hashes it has heard of, and few elements.
  struct Greeting {
    std::uint64_t low, high, bytes;
  };
  /// A message between two ranks under way.
  struct OpenTransfer {
    std::optional<int> peer;
    Deadline begun;
  };
  using Body = std::function<void(std::uint64_t number)>;
  /// greets: whether the ranks compare first what they are about to do.
  void run(const std::string& what, const Body& body, const std::optional<Small>& small, bool greets);
  Work start_on_device(std::string what, Tensors tensors, Tensors writes,
                       std::function<void(std::uint32_t tag)> body);
  DeviceQueue& queue_of(int device);
  std::vector<DeviceQueue*> queues();
  std::unique_ptr<DeviceCommunicator> connect(int device);
  void abort() noexcept;
  /// A second comparison inside of a collective, after its first.
  void agree(std::uint64_t number, const std::string& what, const std::string& fault, std::uint8_t stage);
  Greeting greet_partner(std::uint64_t number, std::size_t round, const Greeting& seen);
  /// Compares what all ranks are about to do. True where small was done on the way.
  bool greet(std::uint64_t number, const std::string& what, const std::optional<Small>& small);
  int partner(int step, bool to) const;
  [[noreturn]] void explain(const std::string& what, std::uint64_t number, const std::string& cause);
  /// Breaks the group off, tells the others, and returns the reason.
  std::string give_up(const std::string& what, std::uint64_t number, const std::string& cause);
  std::string who_is_missing(std::uint64_t number);
  std::string who_left(std::uint64_t number);
  bool is_orphan(const OpenTransfer& transfer) const;
  std::string who_destroyed();
  std::string label(const std::string& what, std::uint64_t number) const;
  [[noreturn]] void disagree(std::uint64_t number, const std::string& what, const std::string& fault,
                             std::uint8_t stage);

  /// Room for the own greeting, and by round for that of another rank, which may be shorter.
  std::unique_ptr<std::byte[]> told_;
  std::vector<std::unique_ptr<std::byte[]>> heard_;
  std::mutex lock_;
  std::uint64_t number_ = 0;
  bool inside_ = false;
  std::string broken_;
  struct Departure {
    std::uint64_t last_collective;
    Deadline time;
  };
  /// By global rank.
  std::map<int, Departure> departed_;
  std::list<OpenTransfer> open_transfers_;
  /// Whether collectives on devices compare, too.
  const bool compares_devices_;
  /// By device. Made by the thread that calls first, and never taken away.
  std::map<int, std::unique_ptr<DeviceQueue>> queues_;
  std::uint64_t connections_ = 0;
};

}  // namespace taper::distributed
