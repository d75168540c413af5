// The rendezvous: a key-value store and the list of members, in a thread of rank 0.
#include "distributed/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "distributed/environment.h"
#include "distributed/secret.h"

namespace taper::distributed {

namespace {

// Connections that have not proved anything yet; more of them are closed at once.
constexpr std::ptrdiff_t most_strangers = 256;
constexpr Milliseconds time_for_strangers{5000}, tick{200}, longest_turn{2 * tick};
// News of a collective that a rank took part in may come so much later than its farewell.
constexpr Milliseconds latest_news{1500};

std::int64_t integer_in(const std::string& value) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  check<DistributedError>(error == std::errc() && end == value.data() + value.size(),
                          "rendezvous: add() on a key whose value is no integer");
  return number;
}

std::int64_t sum_of(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  check<DistributedError>(!__builtin_add_overflow(a, b, &sum), "rendezvous: add() makes ", a,
                          " larger than 64 bits can hold");
  return sum;
}

}  // namespace

Server::Server(Socket listener, ServerOptions options)
    : options_(std::move(options)),
      listener_(std::move(listener)),
      members_(std::size_t(options_.world_size)) {
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  check<DistributedError>(wake_ >= 0, "rendezvous: no event descriptor: ", std::strerror(errno));
  thread_ = std::thread([this] { run(); });
}

Server::~Server() {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  thread_.join();
  ::close(wake_);
}

void Server::run() {
  for (;;) {
    std::vector<pollfd> entries{{wake_, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const auto& connection : connections_)
      entries.push_back(
          {connection->socket.get(), short(connection->output.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    (void)::poll(entries.data(), entries.size(), int(tick.count()));
    if (entries[0].revents) return;
    const std::size_t known = connections_.size();
    for (std::size_t i = 0; i < known; ++i) {
      if (entries[i + 2].revents & (POLLIN | POLLHUP | POLLERR)) read(*connections_[i]);
      if (entries[i + 2].revents & POLLOUT) write(*connections_[i]);
    }
    if (entries[1].revents & POLLIN) accept_strangers();
    drop_silent();
    settle();
    for (const auto& connection : connections_)
      if (!connection->output.empty()) write(*connection);
    std::erase_if(parked_, [](const Parked& request) { return request.asker->closing; });
    std::erase_if(connections_, [](const auto& connection) { return connection->closing; });
  }
}

void Server::accept_strangers() {
  for (;;) {
    Socket socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.defined()) return;
    const auto strangers =
        std::count_if(connections_.begin(), connections_.end(), [](auto& entry) { return entry->rank < 0; });
    if (strangers >= most_strangers) continue;
    const int yes = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    auto connection = std::make_unique<Connection>();
    connection->socket = std::move(socket);
    connection->nonce = random_bytes(32);
    connection->heard = Clock::now();
    put(*connection, Writer(Kind::hello).text(magic).text(connection->nonce).content());
    connections_.push_back(std::move(connection));
  }
}

void Server::read(Connection& connection) {
  char bytes[65536];
  try {
    for (;;) {
      const ssize_t count = ::recv(connection.socket.get(), bytes, sizeof bytes, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) break;
      if (count <= 0) {
        connection.closing = true;
        break;
      }
      if (connection.rank >= 0) connection.heard = Clock::now();
      connection.input.append(bytes, std::size_t(count));
      std::string content;
      while (!connection.closing &&
             cut_frame(connection.input, connection.rank < 0 ? stranger_limit : member_limit, content))
        handle(connection, content);
      if (connection.closing || connection.rank < 0) break;
    }
  } catch (const std::exception&) {
    connection.closing = true;
  }
  if (connection.closing && connection.rank >= 0)
    lose(connection.rank, concat("rank ", connection.rank,
                                 " was lost: its process ended (killed or crashed; it did "
                                 "not say farewell)"));
}

void Server::write(Connection& connection) {
  while (!connection.output.empty()) {
    const ssize_t count =
        ::send(connection.socket.get(), connection.output.data(), connection.output.size(), MSG_NOSIGNAL);
    if (count > 0) connection.output.erase(0, std::size_t(count));
    else if (count < 0 && errno == EINTR) continue;
    else return;  // a lost connection shows when it is read
  }
}

void Server::handle(Connection& connection, const std::string& content) {
  Reader message(content);
  const Kind kind = message.number<Kind>();
  if (connection.rank < 0) {
    check<DistributedError>(kind == Kind::claim, "rendezvous: malformed message");
    return admit(connection, message);
  }
  if (kind == Kind::heartbeat) {
    const std::string status = message.text();
    if (!status.empty()) note(members_[std::size_t(connection.rank)], status);
    put(connection, Writer(Kind::heartbeat).content());
  } else {
    check<DistributedError>(kind == Kind::request, "rendezvous: malformed message");
    answer_request(connection, message);
  }
}

void Server::admit(Connection& connection, Reader& message) {
  const std::string nonce = message.text(), claim = message.text(), shown = message.text();
  const auto refuse = [&](const std::string& reason, Kind kind = Kind::refused) {
    last_refusal_ = reason;
    put(connection, Writer(kind).text(reason).content());
    write(connection);
    connection.closing = true;
  };
  if (nonce.size() != 32 ||
      !same_proof(shown, proof(options_.secret, "member" + connection.nonce + nonce + claim)))
    return refuse("the job's secret differs (see TAPER_JOB_SECRET)");
  Reader claims(claim);
  const auto rank = claims.number<std::int32_t>(), world_size = claims.number<std::int32_t>();
  const std::string job = claims.text();
  if (job != options_.job)
    return refuse(concat("this is job '", options_.job, "', not '", job, "'"),
                  is_restart_of(job, options_.job) ? Kind::later : Kind::refused);
  if (world_size != options_.world_size)
    return refuse(
        concat("world_size is ", options_.world_size, " on rank 0 but ", world_size, " on rank ", rank));
  if (rank < 0 || rank >= world_size)
    return refuse(concat("rank ", rank, " is outside of the world of ", world_size, " ranks"));
  Member& member = members_[std::size_t(rank)];
  if (member.overtaken)
    return refuse(concat("rank ", rank,
                         " left this job, and others have called collectives since; a process cannot enter "
                         "a running group: all must call destroy_process_group() first, or be started anew"));
  if (member.presence == Presence::left)
    return refuse(concat("the job that rank ", rank, " has left goes on"), Kind::later);
  if (member.presence != Presence::absent)
    return refuse(concat("rank ", rank,
                         " has joined already; a process that was started again, or a second one of "
                         "the same rank, cannot enter a running group"));
  if (!broken_.empty()) return refuse(broken_);
  member.presence = Presence::here;
  connection.rank = rank;
  connection.heard = Clock::now();
  put(connection,
      Writer(Kind::welcome).text(proof(options_.secret, "server" + nonce + connection.nonce)).content());
  changed_ = true;
}

void Server::answer_request(Connection& connection, Reader& message) {
  const auto number = message.number<std::uint64_t>();
  const auto action = message.number<Action>();
  const auto keys_then_time = [&] {
    std::vector<std::string> keys(std::min<std::uint32_t>(message.number<std::uint32_t>(), 1u << 20));
    for (std::string& key : keys) key = message.text();
    park(connection, number, action, std::move(keys), message.number<std::uint64_t>());
  };
  changed_ = true;
  switch (action) {
    case Action::get:
    case Action::wait: return keys_then_time();
    case Action::join: return park(connection, number, action, {}, message.number<std::uint64_t>());
    case Action::leave: {
      const auto rank = std::size_t(connection.rank);
      members_[rank].status = message.text();
      members_[rank].presence = Presence::left;
      members_[rank].left_at = Clock::now();
      broadcast(Writer(Kind::left).number(std::int32_t(rank)).text(members_[rank].status).content());
      return park(connection, number, action, {}, message.number<std::uint64_t>());
    }
    case Action::fail: {
      lose(connection.rank, message.text());
      return reply(connection, number, Outcome::ok);
    }
    case Action::fail_group: {
      const std::string group = message.text();
      broadcast(Writer(Kind::group_lost).text(group).text(message.text()).content());
      return reply(connection, number, Outcome::ok);
    }
    case Action::status: {
      Writer all(Kind::reply);
      for (const Member& member : members_) all.number(member.presence).text(member.status);
      return reply(connection, number, Outcome::ok, std::string_view(all.content()).substr(1));
    }
    case Action::count: return reply(connection, number, Outcome::ok, std::to_string(values_.size()));
    default: break;
  }
  const std::string key = message.text();
  if (action == Action::set) {
    values_[key] = message.text();
    reply(connection, number, Outcome::ok);
  } else if (action == Action::add) {
    const auto amount = message.number<std::int64_t>();
    std::string& value = values_[key];
    try {
      value = std::to_string(sum_of(value.empty() ? 0 : integer_in(value), amount));
      reply(connection, number, Outcome::ok, value);
    } catch (const Error& error) {
      reply(connection, number, Outcome::error, error.what());
    }
  } else if (action == Action::compare_set) {
    const std::string expected = message.text(), desired = message.text();
    const auto found = values_.find(key);
    const bool matches = found == values_.end() ? expected.empty() : found->second == expected;
    if (matches) values_[key] = desired;
    reply(connection, number, Outcome::ok,
          matches                  ? desired
          : found == values_.end() ? expected
                                   : found->second);
  } else if (action == Action::erase) {
    reply(connection, number, Outcome::ok, values_.erase(key) ? "1" : "0");
  } else {
    check<DistributedError>(action == Action::check, "rendezvous: malformed message");
    reply(connection, number, Outcome::ok, values_.contains(key) ? "1" : "0");
  }
}

void Server::park(Connection& connection, std::uint64_t number, Action action, std::vector<std::string> keys,
                  std::uint64_t milliseconds) {
  const std::uint64_t year = 365ull * 24 * 3600 * 1000;
  parked_.push_back({&connection, number, action, std::move(keys),
                     after(Milliseconds(std::int64_t(std::min(milliseconds, year))))});
}

bool Server::is_ready(const Parked& request) const {
  const auto all = [&](auto condition) { return std::all_of(members_.begin(), members_.end(), condition); };
  if (request.action == Action::join)
    return all([](auto& member) { return member.presence != Presence::absent; });
  if (request.action == Action::leave)
    return all(
        [](auto& member) { return member.presence == Presence::left || member.presence == Presence::lost; });
  return std::all_of(request.keys.begin(), request.keys.end(),
                     [&](auto& key) { return values_.contains(key); });
}

void Server::settle() {
  const Deadline now = Clock::now();
  std::erase_if(parked_, [&](const Parked& request) {
    if (changed_ && is_ready(request)) {
      const bool has_value = request.action == Action::get && request.keys.size() == 1;
      reply(*request.asker, request.number, Outcome::ok, has_value ? values_[request.keys[0]] : "");
    } else if (!broken_.empty() && request.action != Action::leave) {
      reply(*request.asker, request.number, Outcome::error, broken_);
    } else if (now >= request.deadline) {
      reply(*request.asker, request.number, Outcome::timeout,
            request.action == Action::join ? missing_ranks() : "");
    } else {
      return false;
    }
    return true;
  });
  changed_ = false;
}

std::string Server::missing_ranks() const {
  std::string text;
  for (std::size_t rank = 0; rank < members_.size(); ++rank)
    if (members_[rank].presence == Presence::absent)
      text += (text.empty() ? "" : ", ") + std::to_string(rank);
  return last_refusal_.empty() ? text : concat(text, "; a process was refused: ", last_refusal_);
}

void Server::reply(Connection& connection, std::uint64_t number, Outcome outcome, std::string_view value) {
  put(connection, Writer(Kind::reply).number(number).number(outcome).text(value).content());
}

void Server::put(Connection& connection, std::string_view content) { connection.output += framed(content); }

void Server::broadcast(std::string_view content) {
  for (const auto& connection : connections_)
    if (connection->rank >= 0 && !connection->closing) put(*connection, content);
}

void Server::note(Member& member, const std::string& status) {
  member.status = status;
  for (Member& other : members_)
    if (other.presence == Presence::left && Clock::now() - other.left_at > latest_news)
      other.overtaken = true;
}

void Server::lose(int rank, const std::string& reason) {
  Member& member = members_[std::size_t(rank)];
  if (member.presence != Presence::here) return;
  member.presence = Presence::lost;
  changed_ = true;
  if (broken_.empty()) broken_ = reason;
  broadcast(Writer(Kind::lost).number(std::int32_t(rank)).text(reason).content());
}

void Server::drop_silent() {
  const Deadline now = Clock::now();
  const Milliseconds missed = absence_.in_this_turn(longest_turn);
  for (const auto& connection : connections_) {
    connection->heard += missed;
    if (connection->closing) continue;
    if (connection->rank < 0) {
      connection->closing = now - connection->heard > time_for_strangers;
    } else if (now - connection->heard > options_.silence &&
               members_[std::size_t(connection->rank)].presence == Presence::here) {
      lose(connection->rank,
           concat("rank ", connection->rank, " was lost: it has not responded for ",
                  options_.silence.count() / 1000.0, " s (stopped, or its machine or the network is down)"));
    }
  }
}

}  // namespace taper::distributed
