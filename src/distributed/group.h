// What a process group consists of: its ranks, its transport, the check before each collective, and its
// failures.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "distributed/client.h"
#include "distributed/combine.h"
#include "distributed/executor.h"
#include "distributed/transport.h"
#include "taper/distributed.h"
#include "taper/error.h"

namespace taper::distributed {

/// The contiguous form of a tensor that a collective reads or writes.
Tensor row_major(const Tensor& tensor);

struct ProcessGroup::State {
  State(std::string name, int rank, std::vector<int> global_ranks, std::shared_ptr<Client> client,
        std::unique_ptr<Transport> transport, Milliseconds timeout);
  ~State();

  /// Queues a collective. what: all that must be equal on all ranks; body gets its tag. writes: tensors it
  /// changes.
  Work start(std::string what, Tensors writes, std::function<void(std::uint32_t tag)> body);
  /// A second comparison inside of a collective, after its first.
  void agree(std::uint64_t number, const std::string& what, const std::string& fault, std::uint8_t stage);
  Work start_transfer(std::function<int()> body, Tensors writes, std::string what);
  /// Ends everything under way and all later collectives with this reason.
  /// Runs begin; what the transport throws becomes an error that says what happened.
  template <class F>
  auto begin(const std::string& what, F&& begin) {
    try {
      return begin();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      explain(what, error.what());
    }
  }
  void break_off(const std::string& reason);
  void shut_down();
  /// Another rank said farewell, having entered so many collectives.
  void farewell(int global_rank, const Status& status);
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
  std::atomic<int> open_transfers{0};

 private:
  void run(const std::string& what, const std::function<void(std::uint32_t)>& body);
  [[noreturn]] void explain(const std::string& what, const std::string& cause);
  std::string who_is_missing(std::uint64_t number);
  std::string who_left(std::uint64_t number);
  std::string label(const std::string& what, std::uint64_t number) const;
  [[noreturn]] void disagree(std::uint64_t number, const std::string& what, const std::string& fault,
                             std::uint8_t stage);

  std::mutex lock_;
  std::uint64_t number_ = 0;
  bool inside_ = false;
  std::string broken_;
  /// Global rank to the number of its last collective here.
  std::map<int, std::uint64_t> departed_;
};

}  // namespace taper::distributed
