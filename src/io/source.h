// Where a reader's bytes come from: a file, or memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace taper::io {

/// Bytes at offsets. Reads always copy: a mapped file would end the process (SIGBUS) when another one
/// truncates it, and would change loaded tensors when another one writes to it.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::uint64_t size() const = 0;
  /// Copies size bytes at offset. Throws IOError if they are not there.
  virtual void read(std::uint64_t offset, void* destination, std::size_t size) const = 0;
  /// Throws IOError if the bytes may have changed since the source was opened.
  virtual void check_unchanged() const {}
  /// For messages: the path, quoted.
  const std::string& name() const { return name_; }

 protected:
  explicit Source(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

/// Opens a regular file. Throws IOError naming the path and the system's reason.
std::unique_ptr<Source> open_file(const std::string& path);

/// Bytes in memory, which must outlive the source.
std::unique_ptr<Source> open_memory(const void* data, std::size_t size, std::string name = "buffer");

/// "No space left on device" and so on, for a value of errno.
std::string error_text(int code);

}  // namespace taper::io
