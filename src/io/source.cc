// Reading bytes from files and from memory.
#include "io/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "io/text.h"
#include "taper/error.h"

namespace taper::io {
namespace {

class FileSource final : public Source {
 public:
  explicit FileSource(const std::string& path) : Source("'" + printable(path) + "'") {
    file_ =
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without a writer must not block
    if (file_ < 0) fail<IOError>("cannot open ", name(), ": ", error_text(errno));
    const bool known = ::fstat(file_, &status_) == 0;
    if (!known || !S_ISREG(status_.st_mode)) {
      const std::string reason = !known                     ? error_text(errno)
                                 : S_ISDIR(status_.st_mode) ? "it is a directory"
                                                            : "it is not a regular file";
      ::close(file_);
      fail<IOError>("cannot read ", name(), ": ", reason);
    }
  }
  ~FileSource() override { ::close(file_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::uint64_t size() const override { return std::uint64_t(status_.st_size); }

  void read(std::uint64_t offset, void* destination, std::size_t size) const override {
    constexpr std::size_t largest = std::size_t(1) << 30;  // Linux moves at most 2 GiB a call
    auto* out = static_cast<char*>(destination);
    while (size) {
      const ssize_t count = ::pread(file_, out, std::min(size, largest), off_t(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail<IOError>("cannot read ", name(), " at byte ", offset, ": ", error_text(errno));
      if (count == 0)
        fail<IOError>(name(), " ends at byte ", offset, ", ", size, " bytes too early; it had ", this->size(),
                      " bytes when it was opened");
      out += count;
      offset += std::uint64_t(count);
      size -= std::size_t(count);
    }
  }

  void check_unchanged() const override {
    struct stat now;
    if (::fstat(file_, &now) != 0) fail<IOError>("cannot read ", name(), ": ", error_text(errno));
    const bool same = now.st_size == status_.st_size && now.st_mtim.tv_sec == status_.st_mtim.tv_sec &&
                      now.st_mtim.tv_nsec == status_.st_mtim.tv_nsec;
    check<IOError>(same, name(), " was written to by another process while it was read; read it again");
  }

 private:
  int file_ = -1;
  struct stat status_ = {};
};

class MemorySource final : public Source {
 public:
  MemorySource(const void* data, std::size_t size, std::string name)
      : Source(std::move(name)), data_(static_cast<const char*>(data)), size_(size) {}

  std::uint64_t size() const override { return size_; }

  void read(std::uint64_t offset, void* destination, std::size_t size) const override {
    check<IOError>(offset <= size_ && size <= size_ - offset, name(), " ends at byte ", size_, ", but bytes ",
                   offset, " to ", offset + size, " are needed");
    if (size) std::memcpy(destination, data_ + offset, size);
  }

 private:
  const char* data_;
  std::size_t size_;
};

}  // namespace

std::unique_ptr<Source> open_file(const std::string& path) { return std::make_unique<FileSource>(path); }

std::unique_ptr<Source> open_memory(const void* data, std::size_t size, std::string name) {
  return std::make_unique<MemorySource>(data, size, std::move(name));
}

std::string error_text(int code) { return std::generic_category().message(code); }

}  // namespace taper::io
