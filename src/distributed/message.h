// The messages of the rendezvous: numbers and texts in a frame, read with every length checked.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "taper/error.h"

namespace taper::distributed {

/// What a frame is about: its first byte.
enum class Kind : std::uint8_t {
  hello = 1,  // server to client: magic, nonce
  claim,      // client to server: nonce, rank, world size, job, proof
  welcome,    // server to client: proof
  refused,    // server to client: reason
  request,    // client to server: number, Action, its arguments
  reply,      // server to client: number, Outcome, value
  heartbeat,  // client to server: status; server to client: nothing
  lost,       // server to client: rank, reason
  left,       // server to client: rank, status
  later,      // server to client: reason
  group_lost  // server to client: group, reason
};

enum class Action : std::uint8_t {
  set,
  get,
  add,
  compare_set,
  erase,
  check,
  count,
  wait,
  join,
  status,
  fail,
  fail_group,
  leave
};
enum class Outcome : std::uint8_t { ok, timeout, error };

/// Bytes a frame may have: of strangers, and of members.
inline constexpr std::size_t stranger_limit = 1024, member_limit = std::size_t(64) << 20;
inline constexpr std::string_view magic = "taper rendezvous 1";

/// Builds the content of a frame.
class Writer {
 public:
  explicit Writer(Kind kind) { number(kind); }
  template <class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) Writer& number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    content_.append(bytes, sizeof(T));
    return *this;
  }
  Writer& text(std::string_view value) {
    number(std::uint32_t(value.size()));
    content_.append(value);
    return *this;
  }
  const std::string& content() const { return content_; }

 private:
  std::string content_;
};

/// Takes a frame apart. Throws DistributedError where the frame ends too early.
class Reader {
 public:
  explicit Reader(std::string_view content) : rest_(content) {}
  template <class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string text() { return std::string(take(number<std::uint32_t>())); }

 private:
  std::string_view take(std::size_t bytes) {
    check<DistributedError>(bytes <= rest_.size(), "rendezvous: malformed message");
    const std::string_view part = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return part;
  }

  std::string_view rest_;
};

}  // namespace taper::distributed
