// Where a writer's bytes go: a file that appears whole or not at all, or memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace taper::io {

/// Bytes written one after another, of which earlier ones can be filled in later.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Appends. Throws IOError.
  virtual void write(const void* data, std::size_t size) = 0;
  /// Overwrites bytes written before.
  virtual void patch(std::uint64_t offset, const void* data, std::size_t size) = 0;
  /// Bytes written so far.
  std::uint64_t position() const { return position_; }

 protected:
  std::uint64_t position_ = 0;
};

/// A string that grows.
class MemorySink final : public Sink {
 public:
  void write(const void* data, std::size_t size) override;
  void patch(std::uint64_t offset, const void* data, std::size_t size) override;
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// A file replaced in one step: whatever happens before commit() returns (an exception, a full disk, kill -9,
/// a power cut), the path holds the old content or the new, whole. A killed process leaves no temporary file
/// behind where the file system has unnamed files (O_TMPFILE: ext4, xfs, btrfs, tmpfs).
///
/// Symbolic links are followed and stay links; permissions and, where allowed, ownership of an old file are
/// kept, those of a new one follow the umask. Devices and pipes are written to directly. Errors are IOError
/// and name the path and the system's reason.
class AtomicFile final : public Sink {
 public:
  explicit AtomicFile(const std::string& path);
  /// Without commit(): drops what was written.
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size) override;
  void patch(std::uint64_t offset, const void* data, std::size_t size) override;
  /// Makes the content durable, then visible under the path.
  void commit();

 private:
  void open_temporary();
  void keep_permissions();
  void give_name();
  void sync_directory();
  [[noreturn]] void fail_with(const char* action, int code) const;

  std::string path_;       // as the caller wrote it, for messages
  std::string target_;     // links resolved
  std::string directory_;  // of the target
  std::string temporary_;  // empty while the file has no name
  int file_ = -1;
  bool direct_ = false;  // a device or pipe
};

}  // namespace taper::io
