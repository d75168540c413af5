// The library that brings the transport and its cryptography, loaded when they are first needed.
#include "distributed/transport_library.h"

#include <dlfcn.h>

#include "taper/error.h"

namespace taper::distributed {

namespace {

struct Loaded {
  const TransportLibrary* library = nullptr;
  std::string problem;
};

// Beside libtaper, where the build and the installation put it.
std::string beside_this_library() {
  Dl_info facts{};
  ::dladdr(reinterpret_cast<const void*>(&transport_library), &facts);
  const std::string path = facts.dli_fname ? facts.dli_fname : "";
  const auto slash = path.rfind('/');
  return (slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + "libtaper_gloo.so";
}

Loaded load() {
  void* handle = ::dlopen(beside_this_library().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return {nullptr, ::dlerror()};
  void* entry = ::dlsym(handle, "taper_transport_library");
  if (!entry) return {nullptr, ::dlerror()};
  return {reinterpret_cast<const TransportLibrary* (*)()>(entry)(), {}};
}

const Loaded& loaded() {
  static const Loaded once = load();
  return once;
}

}  // namespace

bool has_transport() { return loaded().library != nullptr; }

const TransportLibrary& transport_library() {
  check<DistributedError>(loaded().library != nullptr, "distributed: this build of Taper has no transport (",
                          loaded().problem,
                          "); install one with apt-get install libgloo-dev libssl-dev and build Taper again");
  return *loaded().library;
}

std::unique_ptr<Transport> connect_transport(int rank, int size, const std::string& address,
                                             const Exchange& exchange, std::chrono::milliseconds timeout) {
  return transport_library().connect(rank, size, address, exchange, timeout);
}

}  // namespace taper::distributed
