// One rank's connection to the rendezvous: the store, heartbeats, and news of lost ranks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "distributed/message.h"
#include "distributed/socket.h"
#include "taper/distributed.h"

namespace taper::distributed {

struct ClientOptions {
  std::string host;
  int port = 0;
  int rank = 0, world_size = 1;
  std::string secret, job;
  /// Where the server of a job may change while one waits (a file that is rewritten): asked before each
  /// attempt.
  std::function<bool(ClientOptions&)> locate;
  /// For setting up, and for each request.
  Milliseconds timeout{std::chrono::minutes(30)};
  /// A server that says nothing for this long is lost.
  Milliseconds silence{4000};
};

/// What a rank was last seen doing in a group.
struct Progress {
  std::uint64_t entered = 0;
  bool inside = false;
  std::string what;
};
/// By the group's name.
using Status = std::map<std::string, Progress>;

/// A rank's presence and status, as the server knows them.
struct MemberStatus {
  enum class Presence : std::uint8_t { absent, here, left, lost } presence;
  Status status;
};

class Client : public Store {
 public:
  /// Connects, proves to know the secret and has the server prove it. Throws DistributedError.
  explicit Client(ClientOptions options);
  ~Client() override;

  void set(const std::string& key, const std::string& value) override;
  std::string get(const std::string& key) override;
  std::int64_t add(const std::string& key, std::int64_t amount) override;
  std::string compare_set(const std::string& key, const std::string& expected,
                          const std::string& desired) override;
  bool delete_key(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys, Milliseconds timeout) override;
  std::int64_t num_keys() override;
  Milliseconds timeout() const override { return Milliseconds(get_timeout_.load()); }
  void set_timeout(Milliseconds timeout) override { get_timeout_ = timeout.count(); }
  /// As get and wait, but false after the timeout.
  bool try_get(const std::string& key, std::string& value, Milliseconds timeout);
  bool try_wait(const std::vector<std::string>& keys, Milliseconds timeout);

  /// Waits for all ranks. Throws DistributedError naming those that are missing.
  void join();
  /// Says farewell and waits, no longer than linger, until all ranks have done so or are lost.
  void leave(Milliseconds linger);
  /// Tells all ranks that this one cannot go on, and why; with a group, that only this group cannot.
  void report_failure(const std::string& reason, const std::string& group = {}) noexcept;
  std::vector<MemberStatus> status();

  /// Notes what this rank does; the server hears of it with the next heartbeat.
  void note(const std::string& group, const Progress& progress);
  void forget(const std::string& group);
  /// The first failure of the job, or of this group, that the server told of, or empty. Waits for one up to
  /// the given time.
  std::string failure(Milliseconds patience = Milliseconds(0), const std::string& group = {});
  /// Calls listener(reason) from another thread when the job fails. One listener.
  void on_failure(std::function<void(const std::string&)> listener);
  /// Calls listener(group, reason) from another thread when only that group fails.
  void on_group_failure(std::function<void(const std::string&, const std::string&)> listener);
  /// Calls listener(rank, its last status) when a rank says farewell, from another thread; at once for those
  /// that have.
  void on_farewell(std::function<void(int, const Status&)> listener);
  /// Calls listener() now and then, from another thread.
  void on_heartbeat(std::function<void()> listener);
  /// The ranks that have said farewell, and their last status.
  std::map<int, Status> departed();
  std::string local_address() const;
  int rank() const { return options_.rank; }
  int world_size() const { return options_.world_size; }
  const ClientOptions& options() const { return options_; }

 private:
  struct Answer {
    bool there = false;
    Outcome outcome = Outcome::error;
    std::string value;
  };
  Socket shake_hands(Deadline deadline);
  void listen();
  void receive(const std::string& content);
  void fail_job(const std::string& reason);
  void send(std::string_view content);
  std::string own_status();
  /// Sends a request and waits for its answer; the answer's outcome is ok or timeout.
  Answer ask(Action action, const std::function<void(Writer&)>& arguments, Milliseconds patience);
  Answer await(Action action, const std::vector<std::string>& keys, Milliseconds timeout);

  ClientOptions options_;
  std::atomic<std::int64_t> get_timeout_ = options_.timeout.count();
  Socket socket_;
  std::mutex send_lock_, lock_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Answer> answers_;
  std::uint64_t last_number_ = 0;
  std::string failure_;
  Status status_;
  bool status_changed_ = true;
  std::map<std::string, std::string> group_failures_;
  std::function<void(const std::string&)> on_failure_;
  std::function<void(const std::string&, const std::string&)> on_group_failure_;
  std::function<void(int, const Status&)> on_farewell_;
  std::function<void()> on_heartbeat_;
  std::map<int, Status> departed_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace taper::distributed
