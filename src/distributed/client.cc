// One rank's connection to the rendezvous: the store, heartbeats, and news of lost ranks.
#include "distributed/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "distributed/secret.h"

namespace taper::distributed {

namespace {

constexpr Milliseconds heartbeat_interval{500}, retry_interval{50}, tick{100}, longest_turn{2 * tick};
// What the server may take beyond the time it was asked to wait.
constexpr Milliseconds allowance{10000};

std::string encode(const Status& status) {
  Writer writer(Kind::heartbeat);
  writer.number(std::uint32_t(status.size()));
  for (const auto& [group, progress] : status)
    writer.text(group).number(progress.entered).number(std::uint8_t(progress.inside)).text(progress.what);
  return writer.content().substr(1);
}

Status decode(const std::string& content) {
  Status status;
  if (content.empty()) return status;
  Reader reader(content);
  for (auto left = reader.number<std::uint32_t>(); left > 0; --left) {
    const std::string group = reader.text();
    const auto entered = reader.number<std::uint64_t>();
    const bool inside = reader.number<std::uint8_t>() != 0;
    status[group] = {entered, inside, reader.text()};
  }
  return status;
}

}  // namespace

Client::Client(ClientOptions options) : options_(std::move(options)) {
  socket_ = shake_hands(after(options_.timeout));
  thread_ = std::thread([this] { listen(); });
}

Client::~Client() {
  stop_ = true;
  ::shutdown(socket_.get(), SHUT_RDWR);
  thread_.join();
}

Socket Client::shake_hands(Deadline deadline) {
  std::string trouble = "rank 0 has not written the file that says where it listens; is it running?";
  for (;; std::this_thread::sleep_for(retry_interval)) {
    const bool located = !options_.locate || options_.locate(options_);
    taper::check<DistributedError>(Clock::now() < deadline, "rendezvous: rank ", options_.rank,
                                   " cannot reach ",
                                   options_.port < 0 ? "rank 0" : concat(options_.host, ":", options_.port),
                                   " within ", options_.timeout.count() / 1000.0, " s: ", trouble);
    if (!located) continue;
    trouble = "nobody listens there; is rank 0 running?";
    Socket socket = connect_once(options_.host, options_.port, deadline);
    if (!socket.defined()) continue;
    const Deadline patience = std::min(deadline, after(Milliseconds(5000)));
    std::string answer, nonce = random_bytes(32), server_nonce;
    try {
      const std::string hello = receive_frame(socket, stranger_limit, patience);
      Reader greeting(hello);
      taper::check<DistributedError>(greeting.number<Kind>() == Kind::hello && greeting.text() == magic,
                                     "what listens there is not a rendezvous of this version of Taper");
      server_nonce = greeting.text();
      Writer claim(Kind::claim);
      claim.number(std::int32_t(options_.rank)).number(std::int32_t(options_.world_size)).text(options_.job);
      const std::string claimed = claim.content().substr(1);
      send_frame(socket,
                 Writer(Kind::claim)
                     .text(nonce)
                     .text(claimed)
                     .text(proof(options_.secret, "member" + server_nonce + nonce + claimed))
                     .content(),
                 patience);
      answer = receive_frame(socket, stranger_limit, patience);
    } catch (const Error& error) {
      trouble = error.what();
      continue;
    }
    Reader verdict(answer);
    const Kind kind = verdict.number<Kind>();
    const std::string text = verdict.text();
    // An earlier job: of this address, about to end, or one that left its file.
    if (kind == Kind::later || (kind == Kind::refused && options_.locate)) {
      trouble = "refused: " + text;
      continue;
    }
    taper::check<DistributedError>(kind != Kind::refused, "rendezvous: rank ", options_.rank,
                                   " was refused by ", options_.host, ":", options_.port, ": ", text);
    taper::check<DistributedError>(
        kind == Kind::welcome && same_proof(text, proof(options_.secret, "server" + nonce + server_nonce)),
        "rendezvous: what listens on ", options_.host, ":", options_.port, " does not know the job's secret");
    return socket;
  }
}

void Client::listen() {
  std::string buffer, content;
  char bytes[65536];
  Deadline heard = Clock::now(), next_beat = heard;
  Absence absence;
  while (!stop_) {
    pollfd entry{socket_.get(), POLLIN, 0};
    (void)::poll(&entry, 1, int(tick.count()));
    heard += absence.in_this_turn(longest_turn);
    try {
      for (ssize_t count; (count = ::recv(socket_.get(), bytes, sizeof bytes, 0)) != -1 || errno == EINTR;) {
        if (count < 0) continue;
        if (count == 0) {
          if (stop_) return;
          return fail_job("rank 0, which runs the rendezvous, was lost: its process ended");
        }
        heard = Clock::now();
        buffer.append(bytes, std::size_t(count));
        while (cut_frame(buffer, member_limit, content)) receive(content);
      }
      if (stop_) return;
      if (errno != EAGAIN) return fail_job("rank 0, which runs the rendezvous, was lost: its process ended");
      if (Clock::now() - heard > options_.silence) {
        const std::string reason =
            concat("rank 0, which runs the rendezvous, was lost: it has not responded for ",
                   options_.silence.count() / 1000.0, " s (stopped, or its machine or the network is down)");
        fail_job(reason);
        // For rank 0, should it go on.
        Writer request(Kind::request);
        request.number(std::uint64_t(0)).number(Action::fail);
        return send(request.text(concat("rank ", options_.rank, " gave up: ", reason)).content());
      }
      if (Clock::now() >= next_beat) {
        next_beat = after(heartbeat_interval);
        send(Writer(Kind::heartbeat).text(own_status()).content());
        std::unique_lock lock(lock_);
        const auto listener = on_heartbeat_;
        lock.unlock();
        if (listener) listener();
      }
    } catch (const std::exception& error) {
      return fail_job(concat("the connection to the rendezvous failed: ", error.what()));
    }
  }
}

std::string Client::own_status() {
  const std::lock_guard lock(lock_);
  return std::exchange(status_changed_, false) ? encode(status_) : std::string();
}

void Client::receive(const std::string& content) {
  Reader message(content);
  const Kind kind = message.number<Kind>();
  if (kind == Kind::reply) {
    const auto number = message.number<std::uint64_t>();
    const std::lock_guard lock(lock_);
    const auto found = answers_.find(number);
    if (found == answers_.end()) return;
    found->second.outcome = message.number<Outcome>();
    found->second.value = message.text();
    found->second.there = true;
    changed_.notify_all();
  } else if (kind == Kind::lost) {
    message.number<std::int32_t>();
    fail_job(message.text());
  } else if (kind == Kind::group_lost) {
    const std::string group = message.text(), reason = message.text();
    std::unique_lock lock(lock_);
    group_failures_.emplace(group, reason);
    changed_.notify_all();
    const auto listener = on_group_failure_;
    lock.unlock();
    if (listener) listener(group, reason);
  } else if (kind == Kind::left) {
    const auto rank = message.number<std::int32_t>();
    const Status status = decode(message.text());
    if (rank == options_.rank) return;
    std::unique_lock lock(lock_);
    departed_[rank] = status;
    const auto listener = on_farewell_;
    lock.unlock();
    if (listener) listener(rank, status);
  }
}

void Client::fail_job(const std::string& reason) {
  std::unique_lock lock(lock_);
  if (!failure_.empty()) return;
  failure_ = reason;
  changed_.notify_all();
  const auto listener = on_failure_;
  lock.unlock();
  if (listener) listener(reason);
}

void Client::send(std::string_view content) {
  const std::lock_guard lock(send_lock_);
  send_frame(socket_, content, after(Milliseconds(5000)));
}

Client::Answer Client::ask(Action action, const std::function<void(Writer&)>& arguments,
                           Milliseconds patience) {
  std::unique_lock lock(lock_);
  const std::uint64_t number = ++last_number_;
  answers_[number];
  lock.unlock();
  Writer request(Kind::request);
  request.number(number).number(action);
  arguments(request);
  try {
    send(request.content());
  } catch (const Error& error) {
    lock.lock();
    answers_.erase(number);
    fail<DistributedError>(failure_.empty() ? error.what() : failure_);
  }
  lock.lock();
  const auto arrived = [&] {
    return answers_[number].there || (!failure_.empty() && action != Action::leave);
  };
  changed_.wait_until(lock, after(patience), arrived);
  Answer answer = std::move(answers_[number]);
  answers_.erase(number);
  taper::check<DistributedError>(answer.there,
                                 "rendezvous: ", failure_.empty() ? "rank 0 did not answer" : failure_);
  taper::check<DistributedError>(answer.outcome != Outcome::error, "rendezvous: ", answer.value);
  return answer;
}

Client::Answer Client::await(Action action, const std::vector<std::string>& keys, Milliseconds timeout) {
  const auto arguments = [&](Writer& request) {
    request.number(std::uint32_t(keys.size()));
    for (const std::string& key : keys) request.text(key);
    request.number(std::uint64_t(std::max<std::int64_t>(timeout.count(), 0)));
  };
  return ask(action, arguments, timeout + allowance);
}

void Client::set(const std::string& key, const std::string& value) {
  ask(
      Action::set, [&](Writer& request) { request.text(key).text(value); }, allowance);
}

std::string Client::get(const std::string& key) {
  std::string value;
  taper::check<DistributedError>(try_get(key, value, timeout()), "Store.get: wait timeout after ",
                                 timeout().count(), "ms, the key '", key, "' was not set");
  return value;
}

bool Client::try_get(const std::string& key, std::string& value, Milliseconds timeout) {
  Answer answer = await(Action::get, {key}, timeout);
  value = std::move(answer.value);
  return answer.outcome == Outcome::ok;
}

std::int64_t Client::add(const std::string& key, std::int64_t amount) {
  return std::stoll(ask(
                        Action::add, [&](Writer& request) { request.text(key).number(amount); }, allowance)
                        .value);
}

std::string Client::compare_set(const std::string& key, const std::string& expected,
                                const std::string& desired) {
  const auto arguments = [&](Writer& request) { request.text(key).text(expected).text(desired); };
  return ask(Action::compare_set, arguments, allowance).value;
}

bool Client::delete_key(const std::string& key) {
  return ask(
             Action::erase, [&](Writer& request) { request.text(key); }, allowance)
             .value == "1";
}

bool Client::check(const std::vector<std::string>& keys) {
  return std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
    return ask(
               Action::check, [&](Writer& request) { request.text(key); }, allowance)
               .value == "1";
  });
}

void Client::wait(const std::vector<std::string>& keys, Milliseconds timeout) {
  taper::check<DistributedError>(try_wait(keys, timeout), "Store.wait: wait timeout after ", timeout.count(),
                                 "ms, the keys '", keys.empty() ? "" : keys.front(), "'... were not all set");
}

bool Client::try_wait(const std::vector<std::string>& keys, Milliseconds timeout) {
  return await(Action::wait, keys, timeout).outcome == Outcome::ok;
}

std::int64_t Client::num_keys() {
  return std::stoll(ask(
                        Action::count, [](Writer&) {}, allowance)
                        .value);
}

void Client::join() {
  const auto milliseconds = std::uint64_t(options_.timeout.count());
  const Answer answer = ask(
      Action::join, [&](Writer& request) { request.number(milliseconds); }, options_.timeout + allowance);
  taper::check<DistributedError>(answer.outcome == Outcome::ok, "init_process_group: of ",
                                 options_.world_size, " ranks these did not join within ",
                                 options_.timeout.count() / 1000.0, " s: ", answer.value);
}

void Client::leave(Milliseconds linger) {
  std::unique_lock lock(lock_);
  const std::string status = encode(status_);
  lock.unlock();
  const auto arguments = [&](Writer& request) { request.text(status).number(std::uint64_t(linger.count())); };
  ask(Action::leave, arguments, linger + Milliseconds(1000));
}

void Client::report_failure(const std::string& reason, const std::string& group) noexcept {
  const auto arguments = [&](Writer& request) {
    if (!group.empty()) request.text(group);
    request.text(reason);
  };
  try {
    ask(group.empty() ? Action::fail : Action::fail_group, arguments, Milliseconds(2000));
  } catch (const std::exception&) {
    // The connection is gone, so all know already that this rank is lost.
  }
}

std::vector<MemberStatus> Client::status() {
  send(Writer(Kind::heartbeat).text(own_status()).content());
  const std::string value = ask(
                                Action::status, [](Writer&) {}, Milliseconds(2000))
                                .value;
  Reader reader(value);
  std::vector<MemberStatus> members;
  for (int rank = 0; rank < options_.world_size; ++rank) {
    const auto presence = reader.number<MemberStatus::Presence>();
    members.push_back({presence, decode(reader.text())});
  }
  return members;
}

void Client::note(const std::string& group, const Progress& progress) {
  const std::lock_guard lock(lock_);
  status_[group] = progress;
  status_changed_ = true;
}

void Client::forget(const std::string& group) {
  const std::lock_guard lock(lock_);
  status_.erase(group);
}

std::string Client::failure(Milliseconds patience, const std::string& group) {
  std::unique_lock lock(lock_);
  changed_.wait_for(lock, patience, [&] { return !failure_.empty() || group_failures_.contains(group); });
  const auto found = group_failures_.find(group);
  return found == group_failures_.end() ? failure_ : found->second;
}

void Client::on_failure(std::function<void(const std::string&)> listener) {
  std::unique_lock lock(lock_);
  on_failure_ = std::move(listener);
  const std::string reason = failure_;
  const auto now = on_failure_;
  lock.unlock();
  if (now && !reason.empty()) now(reason);
}

void Client::on_group_failure(std::function<void(const std::string&, const std::string&)> listener) {
  const std::lock_guard lock(lock_);
  on_group_failure_ = std::move(listener);
}

void Client::on_farewell(std::function<void(int, const Status&)> listener) {
  std::unique_lock lock(lock_);
  on_farewell_ = std::move(listener);
  const auto now = on_farewell_;
  const auto departed = departed_;
  lock.unlock();
  for (const auto& [rank, status] : departed) now(rank, status);
}

void Client::on_heartbeat(std::function<void()> listener) {
  const std::lock_guard lock(lock_);
  on_heartbeat_ = std::move(listener);
}

std::map<int, Status> Client::departed() {
  const std::lock_guard lock(lock_);
  return departed_;
}

std::string Client::local_address() const { return distributed::local_address(socket_); }

}  // namespace taper::distributed
