// What libtaper_gloo.so offers to libtaper: Gloo's transport, and OpenSSL's proofs.
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "distributed/transport_library.h"

namespace taper::distributed {

std::unique_ptr<Transport> connect_gloo(int rank, int size, const std::string& address,
                                        const Exchange& exchange, std::chrono::milliseconds timeout);

namespace {

std::string authenticate(std::string_view secret, std::string_view text) {
  std::string result(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  const auto* made = HMAC(EVP_sha256(), secret.data(), int(secret.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                          reinterpret_cast<unsigned char*>(result.data()), &size);
  result.resize(made ? size : 0);
  return result;
}

bool same_bytes(std::string_view a, std::string_view b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

extern "C" const TransportLibrary* taper_transport_library() {
  static constexpr TransportLibrary library{connect_gloo, authenticate, same_bytes};
  return &library;
}

}  // namespace taper::distributed
