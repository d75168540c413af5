// The rendezvous: a key-value store and the list of members, in a thread of rank 0.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "distributed/message.h"
#include "distributed/socket.h"

namespace taper::distributed {

struct ServerOptions {
  std::string secret, job;
  int world_size = 1;
  /// A member that sends nothing for this long is lost.
  Milliseconds silence{4000};
};

/// Serves members that prove to know the secret, one for each rank, once: a rank that was lost, or a second
/// process of the same rank, is refused. Strangers get five seconds, one kilobyte and no answer but
/// "refused". Tells all members when one is lost or leaves.
class Server {
 public:
  Server(Socket listener, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct Connection {
    Socket socket;
    std::string input, output, nonce;
    int rank = -1;
    bool closing = false;
    Deadline heard;
  };
  /// A request whose answer is not there yet.
  struct Parked {
    Connection* asker;
    std::uint64_t number;
    Action action;
    std::vector<std::string> keys;
    Deadline deadline;
  };
  enum class Presence : std::uint8_t { absent, here, left, lost };
  struct Member {
    Presence presence = Presence::absent;
    std::string status;
    /// When it left, and whether others have called a collective since.
    Deadline left_at;
    bool overtaken = false;
  };

  void run();
  void accept_strangers();
  void read(Connection& connection);
  void write(Connection& connection);
  void handle(Connection& connection, const std::string& content);
  void admit(Connection& connection, Reader& message);
  void answer_request(Connection& connection, Reader& message);
  void park(Connection& connection, std::uint64_t number, Action action, std::vector<std::string> keys,
            std::uint64_t milliseconds);
  void reply(Connection& connection, std::uint64_t number, Outcome outcome, std::string_view value = {});
  void put(Connection& connection, std::string_view content);
  void broadcast(std::string_view content);
  void lose(int rank, const std::string& reason);
  /// Takes down what a member says of its collectives.
  void note(Member& member, const std::string& status);
  /// Answers parked requests that can be answered now.
  void settle();
  bool is_ready(const Parked& request) const;
  std::string missing_ranks() const;
  void drop_silent();

  const ServerOptions options_;
  Socket listener_;
  int wake_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Parked> parked_;
  std::vector<Member> members_;
  std::map<std::string, std::string> values_;
  std::string broken_, last_refusal_;
  Absence absence_;
  bool changed_ = false;
  std::thread thread_;
};

}  // namespace taper::distributed
