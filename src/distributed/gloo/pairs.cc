// Connections between two ranks that are made only with who knows the job's secret.
#include "distributed/gloo/pairs.h"

#include <gloo/transport/tcp/context.h>
#include <gloo/transport/tcp/pair.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "distributed/secret.h"
#include "distributed/socket.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

namespace tcp = gloo::transport::tcp;

constexpr std::size_t nonce_bytes = 32, proof_bytes = 32;
// Connections that have not proved anything yet; more of them wait.
constexpr std::size_t most_strangers = 64;
constexpr Milliseconds time_for_strangers{5000}, look_around{100}, retry_interval{50};

// Called by the rank with the higher number, answered by the one with the lower.
class Introduction {
 public:
  Introduction(const Exchange& exchange, int caller, int answerer, Deadline deadline)
      : exchange_(exchange), names_(concat(caller, "/", answerer, "/")), deadline_(deadline) {}

  Socket call(const std::string& host, int port) const {
    for (;; std::this_thread::sleep_for(retry_interval)) {
      check_time();
      Socket socket = connect_once(host, port, std::min(deadline_, after(time_for_strangers / 5)));
      try {
        if (socket.defined() && is_answered(socket)) return socket;
      } catch (const DistributedError&) {
        // Closed by the other side, which may have had too many visitors, or ended.
      }
    }
  }

  Socket answer(const Socket& listener) const {
    std::vector<Stranger> strangers;
    for (;;) {
      check_time();
      std::vector<pollfd> entries{{listener.get(), short(strangers.size() < most_strangers ? POLLIN : 0), 0}};
      for (const Stranger& stranger : strangers) entries.push_back({stranger.socket.get(), POLLIN, 0});
      (void)::poll(entries.data(), entries.size(), int(look_around.count()));
      for (std::size_t i = 0; i < strangers.size(); ++i)
        if (entries[i + 1].revents && hears(strangers[i])) return std::move(strangers[i].socket);
      std::erase_if(strangers, [now = Clock::now()](const Stranger& stranger) {
        return stranger.refused || now > stranger.deadline;
      });
      if (entries[0].revents & POLLIN) admit(listener, strangers);
    }
  }

 private:
  struct Stranger {
    Socket socket;
    std::string nonce, input;
    Deadline deadline;
    bool refused = false;
  };

  void check_time() const {
    exchange_.check();
    check<DistributedError>(Clock::now() < deadline_, "timed out");
  }
  std::string proof_of(const char* role, std::string_view first, std::string_view second) const {
    return exchange_.prove(concat(role, names_, first, second));
  }

  bool is_answered(const Socket& socket) const {
    // The other rank may be busy with others before it comes to this one.
    for (pollfd entry{socket.get(), POLLIN, 0}; ::poll(&entry, 1, int(look_around.count())) <= 0;)
      check_time();
    const Deadline patience = after(time_for_strangers);
    const std::string theirs = receive_frame(socket, nonce_bytes, patience), own = random_bytes(nonce_bytes);
    send_frame(socket, own + proof_of("caller", theirs, own), patience);
    return same_proof(receive_frame(socket, proof_bytes, patience), proof_of("answerer", own, theirs));
  }

  static void admit(const Socket& listener, std::vector<Stranger>& strangers) {
    Socket socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    check<DistributedError>(socket.defined() || (errno != EMFILE && errno != ENFILE),
                            "no connection: ", std::strerror(errno));
    if (!socket.defined()) return;
    Stranger stranger{std::move(socket), random_bytes(nonce_bytes), {}, after(time_for_strangers)};
    try {
      send_frame(stranger.socket, stranger.nonce, Clock::now());
      strangers.push_back(std::move(stranger));
    } catch (const DistributedError&) {
      // It is gone again.
    }
  }

  // Reads what came. True when the stranger has proved to be the caller, and has been told so.
  bool hears(Stranger& stranger) const {
    try {
      char bytes[nonce_bytes + proof_bytes + sizeof(std::uint32_t)];
      const ssize_t count = ::recv(stranger.socket.get(), bytes, sizeof bytes - stranger.input.size(), 0);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
      check<DistributedError>(count > 0, "closed");
      stranger.input.append(bytes, std::size_t(count));
      std::string content;
      if (!cut_frame(stranger.input, nonce_bytes + proof_bytes, content)) return false;
      check<DistributedError>(content.size() == nonce_bytes + proof_bytes, "malformed");
      const std::string theirs = content.substr(0, nonce_bytes);
      check<DistributedError>(
          same_proof(content.substr(nonce_bytes), proof_of("caller", stranger.nonce, theirs)), "no proof");
      send_frame(stranger.socket, proof_of("answerer", theirs, stranger.nonce), after(time_for_strangers));
      return true;
    } catch (const DistributedError&) {
      stranger.refused = true;
      return false;
    }
  }

  const Exchange& exchange_;
  const std::string names_;
  const Deadline deadline_;
};

class Pair : public tcp::Pair {
 public:
  Pair(tcp::Context* context, tcp::Device* device, int rank, Milliseconds timeout, const Exchange& exchange)
      : tcp::Pair(context, device, rank, timeout), exchange_(exchange) {
    // From Gloo's event loop, which would take whoever comes first.
    device->unregisterDescriptor(fd_, this);
    check<DistributedError>(state_ == LISTENING, "a stranger knocked before anybody could know the port");
    listener_ = Socket(std::exchange(fd_, -1));
    state_ = INITIALIZING;
    ::listen(listener_.get(), int(most_strangers));
  }

  void connect(const std::vector<char>& address) override {
    const int own = context_->rank;
    is_client_ = own > rank_;
    const Introduction introduction(exchange_, std::max(own, rank_), std::min(own, rank_), after(timeout_));
    Socket socket;
    if (is_client_) {
      const sockaddr_storage peer = tcp::Address(address).getSockaddr();
      char host[NI_MAXHOST], port[NI_MAXSERV];
      const int error = ::getnameinfo(reinterpret_cast<const sockaddr*>(&peer), sizeof peer, host,
                                      sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
      check<DistributedError>(error == 0, "rank ", rank_, " has no address: ", gai_strerror(error));
      socket = introduction.call(host, std::atoi(port));
    } else {
      socket = introduction.answer(listener_);
    }
    listener_ = {};
    const std::lock_guard lock(m_);
    fd_ = socket.release();
    handleConnected();
  }

 private:
  const Exchange& exchange_;
  Socket listener_;
};

class Context : public tcp::Context {
 public:
  Context(std::shared_ptr<tcp::Device> device, int rank, int size, const Exchange& exchange)
      : tcp::Context(std::move(device), rank, size), exchange_(exchange) {}
  std::unique_ptr<gloo::transport::Pair>& createPair(int rank) override {
    pairs_[std::size_t(rank)] = std::make_unique<Pair>(this, device_.get(), rank, getTimeout(), exchange_);
    return pairs_[std::size_t(rank)];
  }

 private:
  const Exchange& exchange_;
};

class Device : public tcp::Device {
 public:
  Device(const tcp::attr& attributes, const Exchange& exchange)
      : tcp::Device(attributes), exchange_(exchange) {}
  std::shared_ptr<gloo::transport::Context> createContext(int rank, int size) override {
    auto self = std::static_pointer_cast<tcp::Device>(shared_from_this());
    return std::make_shared<Context>(std::move(self), rank, size, exchange_);
  }

 private:
  const Exchange& exchange_;
};

}  // namespace

std::shared_ptr<tcp::Device> device_for(const tcp::attr& attributes, const Exchange& exchange) {
  return std::make_shared<Device>(tcp::CreateDeviceAttr(attributes), exchange);
}

}  // namespace taper::distributed
