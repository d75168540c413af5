// The job's secret and the proofs that a peer knows it.
#include "distributed/secret.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "distributed/transport_library.h"
#include "taper/error.h"

namespace taper::distributed {

namespace {

constexpr const char* advice = "; set TAPER_JOB_SECRET to the same random text for all processes of the job";

std::filesystem::path secret_path() {
  if (const char* folder = std::getenv("XDG_CONFIG_HOME"); folder && *folder)
    return std::filesystem::path(folder) / "taper" / "job-secret";
  const char* home = std::getenv("HOME");
  check<DistributedError>(home && *home, "rendezvous: no secret: HOME is not set", advice);
  return std::filesystem::path(home) / ".config" / "taper" / "job-secret";
}

std::string read_secret(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return {};
  struct stat facts {};
  char buffer[256];
  const bool known = ::fstat(file, &facts) == 0;
  const ssize_t count = ::read(file, buffer, sizeof buffer);
  ::close(file);
  check<DistributedError>(known && facts.st_uid == ::geteuid() && (facts.st_mode & 077) == 0,
                          "rendezvous: the secret in ", path,
                          " can be read by others, or belongs to another user; remove that file");
  check<DistributedError>(count >= 32, "rendezvous: ", path, " is too short for a secret; remove that file");
  return std::string(buffer, std::size_t(count));
}

// Written beside its place and linked to it, so that of two processes at once one wins and both read the
// same.
void make_secret(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  const std::string draft = path + "." + to_hex(random_bytes(8));
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  check<DistributedError>(file >= 0, "rendezvous: no secret, and none can be stored in ", path, ": ",
                          std::strerror(errno), advice);
  const std::string secret = to_hex(random_bytes(32));
  const bool written = ::write(file, secret.data(), secret.size()) == ssize_t(secret.size());
  ::close(file);
  const bool placed = written && (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  ::unlink(draft.c_str());
  check<DistributedError>(placed, "rendezvous: no secret, and none can be stored in ", path, advice);
}

}  // namespace

std::string job_secret() {
  if (const char* given = std::getenv("TAPER_JOB_SECRET"); given && *given) return given;
  const std::string path = secret_path();
  std::string secret = read_secret(path);
  if (!secret.empty()) return secret;
  make_secret(path);
  secret = read_secret(path);
  check<DistributedError>(!secret.empty(), "rendezvous: the secret in ", path, " cannot be read", advice);
  return secret;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  check<DistributedError>(::getrandom(bytes.data(), count, 0) == ssize_t(count),
                          "rendezvous: the system gave no random bytes");
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    text.push_back("0123456789abcdef"[std::uint8_t(byte) >> 4]);
    text.push_back("0123456789abcdef"[std::uint8_t(byte) & 15]);
  }
  return text;
}

std::string proof(std::string_view secret, std::string_view text) {
  std::string result = transport_library().authenticate(secret, text);
  check<DistributedError>(!result.empty(), "rendezvous: HMAC failed");
  return result;
}

bool same_proof(std::string_view a, std::string_view b) {
  return a.size() == b.size() && transport_library().same_bytes(a, b);
}

}  // namespace taper::distributed
