// Writing bytes to memory and, atomically, to files.
#include "io/sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "io/source.h"
#include "io/text.h"
#include "taper/error.h"

namespace taper::io {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// The file a path means after its last component's links; a link may point to nothing yet.
std::string follow_links(std::string path) {
  constexpr int limit = 40;  // as Linux
  for (int i = 0; i < limit; ++i) {
    std::string link(4096, '\0');
    const ssize_t length = ::readlink(path.c_str(), link.data(), link.size());
    if (length < 0) return path;
    link.resize(std::size_t(length));
    path = link.front() == '/' ? link : directory_of(path) + "/" + link;
  }
  return path;
}

// Unlike any other name of this process; O_EXCL guards against other processes.
std::string temporary_name(const std::string& target) {
  static std::atomic<unsigned> counter{0};
  const auto slash = target.rfind('/');
  std::string name = slash == std::string::npos ? target : target.substr(slash + 1);
  name.resize(std::min<std::size_t>(name.size(), 200));  // with the rest still below NAME_MAX of 255
  return directory_of(target) + concat("/.", name, ".", ::getpid(), ".", counter++, ".tmp");
}

}  // namespace

void MemorySink::write(const void* data, std::size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  position_ += size;
}

void MemorySink::patch(std::uint64_t offset, const void* data, std::size_t size) {
  check(offset + size <= bytes_.size(), "MemorySink: patch past the end");
  if (size) std::memcpy(bytes_.data() + offset, data, size);
}

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(follow_links(path)) {
  check<IOError>(!path.empty(), "cannot write a file: its path is empty");
  directory_ = directory_of(target_);
  struct stat old;
  const bool exists = ::stat(target_.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) fail_with("write", errno);
  if (exists && S_ISDIR(old.st_mode)) fail_with("write", EISDIR);
  if (exists && ::access(target_.c_str(), W_OK) != 0) fail_with("write", errno);
  direct_ = exists && !S_ISREG(old.st_mode);
  if (direct_) {
    file_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail_with("open", errno);
    return;
  }
  open_temporary();
  if (exists) keep_permissions();
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::open_temporary() {
#ifdef O_TMPFILE
  if (::access("/proc/self/fd", X_OK) == 0)  // through which the file gets its name
    file_ = ::open(directory_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
#endif
  while (file_ < 0) {
    temporary_ = temporary_name(target_);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ >= 0 || errno == EEXIST) continue;
    const int code = errno;
    temporary_.clear();
    fail_with("create a file beside", code);
  }
}

void AtomicFile::keep_permissions() {
  struct stat old, mine;
  if (::stat(target_.c_str(), &old) != 0 || ::fstat(file_, &mine) != 0) return;
  // Ownership is kept where the process may; the file is still the caller's where it may not.
  if ((old.st_uid != mine.st_uid || old.st_gid != mine.st_gid) &&
      ::fchown(file_, old.st_uid, old.st_gid) != 0 && ::fchown(file_, uid_t(-1), old.st_gid) != 0)
    errno = 0;
  if (::fchmod(file_, old.st_mode & 07777) != 0) fail_with("set the permissions of", errno);
}

void AtomicFile::write(const void* data, std::size_t size) {
  constexpr std::size_t largest = std::size_t(1) << 30;
  auto* p = static_cast<const char*>(data);
  while (size) {
    const ssize_t count = ::write(file_, p, std::min(size, largest));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_with("write", count < 0 ? errno : ENOSPC);
    p += count;
    size -= std::size_t(count);
    position_ += std::uint64_t(count);
  }
}

void AtomicFile::patch(std::uint64_t offset, const void* data, std::size_t size) {
  auto* p = static_cast<const char*>(data);
  while (size) {
    const ssize_t count = ::pwrite(file_, p, size, off_t(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_with("write", count < 0 ? errno : ENOSPC);
    p += count;
    offset += std::uint64_t(count);
    size -= std::size_t(count);
  }
}

void AtomicFile::commit() {
  // Some file systems and all devices know no fsync.
  if (::fsync(file_) != 0 && errno != EINVAL && errno != ENOTSUP) fail_with("write", errno);
  if (!direct_ && temporary_.empty()) give_name();
  const int file = std::exchange(file_, -1);
  if (::close(file) != 0 && errno != EINTR) fail_with("write", errno);
  if (direct_) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_with("replace", errno);
  temporary_.clear();
  sync_directory();
}

void AtomicFile::give_name() {
  const std::string unnamed = concat("/proc/self/fd/", file_);
  for (;;) {
    const std::string name = temporary_name(target_);
    if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary_ = name;
      return;
    }
    if (errno != EEXIST) fail_with("name", errno);
  }
}

void AtomicFile::sync_directory() {
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;  // a directory that may be written but not read
  const int result = ::fsync(directory), code = errno;
  ::close(directory);
  if (result != 0 && code != EINVAL && code != ENOTSUP) fail_with("make durable", code);
}

void AtomicFile::fail_with(const char* action, int code) const {
  fail<IOError>("cannot ", action, " '", printable(path_), "': ", error_text(code));
}

}  // namespace taper::io
