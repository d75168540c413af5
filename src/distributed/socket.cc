// Sockets of the rendezvous: connecting, listening, and frames (a length of four bytes, then the content).
#include "distributed/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>

#include "taper/error.h"

namespace taper::distributed {

namespace {

// Left behind at exit: other threads may still close sockets then.
std::mutex& open_lock() {
  static auto* lock = new std::mutex;
  return *lock;
}
std::set<int>& open_sockets() {
  static auto* sockets = [] {
    pthread_atfork([] { open_lock().lock(); }, [] { open_lock().unlock(); },
                   [] {
                     for (const int descriptor : open_sockets()) ::close(descriptor);
                     open_sockets().clear();
                     open_lock().unlock();
                   });
    return new std::set<int>;
  }();
  return *sockets;
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Addresses resolve(const std::string& host, int port) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_family = AF_UNSPEC;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  check<DistributedError>(error == 0, "rendezvous: the host '", host, "' is unknown: ", gai_strerror(error));
  return {found, freeaddrinfo};
}

bool wait_ready(int descriptor, short events, Deadline deadline) {
  for (;;) {
    pollfd entry{descriptor, events, 0};
    const int ready = ::poll(&entry, 1, left_for_poll(deadline));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (Clock::now() >= deadline) return false;
  }
}

}  // namespace

Deadline after(Milliseconds time) {
  return Clock::now() + std::min(time, Milliseconds(std::chrono::hours(24 * 365)));
}

int left_for_poll(Deadline deadline) {
  const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
  return int(std::clamp<std::int64_t>(left, 0, 60000));
}

Milliseconds Absence::in_this_turn(Milliseconds due) {
  const Deadline before = std::exchange(last_, Clock::now());
  const auto late = std::chrono::duration_cast<Milliseconds>(last_ - before) - due;
  return std::max(late, Milliseconds(0));
}

Socket::Socket(int descriptor) : descriptor_(descriptor) {
  if (descriptor < 0) return;
  auto& sockets = open_sockets();
  const std::lock_guard lock(open_lock());
  sockets.insert(descriptor);
}

void Socket::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (descriptor < 0) return;
  auto& sockets = open_sockets();
  const std::lock_guard lock(open_lock());
  // In a forked child it was closed already, and the number may belong to something else.
  if (sockets.erase(descriptor)) ::close(descriptor);
}

int Socket::release() {
  auto& sockets = open_sockets();
  const std::lock_guard lock(open_lock());
  sockets.erase(descriptor_);
  return std::exchange(descriptor_, -1);
}

Socket listen_on(const std::string& host, int port) {
  const Addresses addresses = resolve(host, port);
  int error = 0;
  for (const addrinfo* entry = addresses.get(); entry; entry = entry->ai_next) {
    Socket socket(::socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    if (!socket.defined()) continue;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(socket.get(), entry->ai_addr, entry->ai_addrlen) == 0 && ::listen(socket.get(), 1024) == 0)
      return socket;
    error = errno;
  }
  fail<DistributedError>("rendezvous: rank 0 cannot listen on ", host, ":", port, ": ", std::strerror(error),
                         error == EADDRINUSE
                             ? "; another job or program uses this port: choose another MASTER_PORT"
                             : "; MASTER_ADDR must be an address of the machine of rank 0 (or set "
                               "TAPER_BIND_ADDRESS there)");
}

Socket connect_once(const std::string& host, int port, Deadline deadline) {
  const Addresses addresses = resolve(host, port);
  for (const addrinfo* entry = addresses.get(); entry; entry = entry->ai_next) {
    Socket socket(::socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    check<DistributedError>(socket.defined() || (errno != EMFILE && errno != ENFILE),
                            "rendezvous: no socket: ", std::strerror(errno));
    if (!socket.defined()) continue;
    if (::connect(socket.get(), entry->ai_addr, entry->ai_addrlen) != 0) {
      const Deadline attempt = std::min(deadline, after(Milliseconds(5000)));
      if (errno != EINPROGRESS || !wait_ready(socket.get(), POLLOUT, attempt)) continue;
      int error = 0;
      socklen_t size = sizeof error;
      if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) continue;
    }
    const int yes = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return socket;
  }
  return {};
}

namespace {

template <class Read>
sockaddr_storage address_by(Read read, const Socket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  check<DistributedError>(read(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0,
                          "rendezvous: the connection has no address: ", std::strerror(errno));
  return address;
}

}  // namespace

int port_of(const Socket& socket) {
  const sockaddr_storage address = address_by(::getsockname, socket);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string local_address(const Socket& socket) {
  const sockaddr_storage address = address_by(::getsockname, socket);
  char text[NI_MAXHOST];
  const int error = ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), sizeof address, text,
                                  sizeof text, nullptr, 0, NI_NUMERICHOST);
  check<DistributedError>(error == 0, "rendezvous: the connection has no address: ", gai_strerror(error));
  return text;
}

std::string framed(std::string_view content) {
  const auto length = std::uint32_t(content.size());
  std::string frame(sizeof length, '\0');
  std::memcpy(frame.data(), &length, sizeof length);
  frame.append(content);
  return frame;
}

bool cut_frame(std::string& buffer, std::size_t limit, std::string& content) {
  std::uint32_t length = 0;
  if (buffer.size() < sizeof length) return false;
  std::memcpy(&length, buffer.data(), sizeof length);
  check<DistributedError>(length > 0 && length <= limit, "rendezvous: malformed message: a length of ",
                          length);
  if (buffer.size() < sizeof length + length) return false;
  content = buffer.substr(sizeof length, length);
  buffer.erase(0, sizeof length + length);
  return true;
}

void send_frame(const Socket& socket, std::string_view content, Deadline deadline) {
  const std::string frame = framed(content);
  std::size_t sent = 0;
  while (sent < frame.size()) {
    const ssize_t count = ::send(socket.get(), frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
    if (count > 0) sent += std::size_t(count);
    else if (count < 0 && (errno == EAGAIN || errno == EINTR))
      check<DistributedError>(wait_ready(socket.get(), POLLOUT, deadline),
                              "rendezvous: timed out while sending");
    else fail<DistributedError>("rendezvous: connection lost: ", std::strerror(errno));
  }
}

std::string receive_frame(const Socket& socket, std::size_t limit, Deadline deadline) {
  std::string buffer, content;
  while (!cut_frame(buffer, limit, content)) {
    char bytes[4096];
    // Not one byte more than this frame: what follows belongs to the next reader.
    std::uint32_t length = 0;
    if (buffer.size() >= sizeof length) std::memcpy(&length, buffer.data(), sizeof length);
    const std::size_t wanted = sizeof length + length - buffer.size();
    const ssize_t count = ::recv(socket.get(), bytes, std::min(wanted, sizeof bytes), 0);
    if (count > 0) buffer.append(bytes, std::size_t(count));
    else if (count < 0 && (errno == EAGAIN || errno == EINTR))
      check<DistributedError>(wait_ready(socket.get(), POLLIN, deadline), "rendezvous: timed out, no answer");
    else fail<DistributedError>("rendezvous: the other side closed the connection");
  }
  return content;
}

}  // namespace taper::distributed
