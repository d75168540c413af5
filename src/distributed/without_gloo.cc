// Stands in for the transport and the secret in a build without Gloo or OpenSSL: says what to install.
#include "distributed/secret.h"
#include "distributed/transport.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

[[noreturn]] void refuse() {
  fail<DistributedError>(
      "distributed: this build of Taper has no transport; install one with apt-get install libgloo-dev "
      "libssl-dev "
      "and build Taper again");
}

}  // namespace

bool has_transport() { return false; }
std::unique_ptr<Transport> connect_transport(int, int, const std::string&, const Exchange&,
                                             std::chrono::milliseconds) {
  refuse();
}
std::string job_secret() { refuse(); }
std::string random_bytes(std::size_t) { refuse(); }
std::string to_hex(std::string_view) { refuse(); }
std::string proof(std::string_view, std::string_view) { refuse(); }
bool same_proof(std::string_view, std::string_view) { refuse(); }

}  // namespace taper::distributed
