// The library that brings the transport and its cryptography, loaded when they are first needed.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "distributed/transport.h"

namespace taper::distributed {

/// What libtaper_gloo.so offers. It stands apart because Gloo and OpenSSL take milliseconds to load, which
/// programs of one process would pay at every start.
struct TransportLibrary {
  std::unique_ptr<Transport> (*connect)(int rank, int size, const std::string& address,
                                        const Exchange& exchange, std::chrono::milliseconds timeout);
  /// HMAC-SHA-256 of text under secret (RFC 2104); empty if it fails.
  std::string (*authenticate)(std::string_view secret, std::string_view text);
  /// Compares bytes of equal number in a time that does not depend on them.
  bool (*same_bytes)(std::string_view a, std::string_view b);
};

/// The library, loaded by the first call. Throws DistributedError where it is not installed.
const TransportLibrary& transport_library();

}  // namespace taper::distributed
