// Sockets of the rendezvous: connecting, listening, and frames (a length of four bytes, then the content).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace taper::distributed {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
using Milliseconds = std::chrono::milliseconds;

/// A deadline that far ahead; very long times are cut, so that sums do not overflow.
Deadline after(Milliseconds time);
/// What is left of it for poll(): at least 0 ms, and at most one minute.
int left_for_poll(Deadline deadline);

/// Tells how long a loop that listens to others did not run although it was due, as when its process was
/// stopped or its machine had no processor for it. What it did not hear meanwhile says nothing about them.
class Absence {
 public:
  /// Since the last call: nothing where that was no longer ago than due, the longest turn of the loop.
  Milliseconds in_this_turn(Milliseconds due);

 private:
  Deadline last_ = Clock::now();
};

/// Owns a file descriptor. A forked child closes it at once: a process that lives on must not keep the
/// connection of a dead one open.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor);
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket() { close(); }
  int get() const { return descriptor_; }
  bool defined() const { return descriptor_ >= 0; }
  void close();
  /// Gives the descriptor to something else, which closes it; also a forked child keeps it then.
  int release();

 private:
  int descriptor_ = -1;
};

/// Listens on exactly this address, not on all of the machine's. port 0: any free one. Throws
/// DistributedError.
Socket listen_on(const std::string& host, int port);
/// An undefined socket where nobody listens (yet). Throws DistributedError for unknown hosts, and where this
/// process has too many open files.
Socket connect_once(const std::string& host, int port, Deadline deadline);
int port_of(const Socket& socket);
/// This machine's address on a connection, in numbers.
std::string local_address(const Socket& socket);

/// Blocking, to the deadline. Both throw DistributedError when the connection ends or the deadline passes;
/// receive also for a frame above limit.
void send_frame(const Socket& socket, std::string_view content, Deadline deadline);
std::string receive_frame(const Socket& socket, std::size_t limit, Deadline deadline);
/// The content with its length in front.
std::string framed(std::string_view content);
/// Cuts the first whole frame off buffer; false if it is not there yet. Throws for a frame above limit.
bool cut_frame(std::string& buffer, std::size_t limit, std::string& content);

}  // namespace taper::distributed
