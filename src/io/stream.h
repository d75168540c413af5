// Bytes read one after another, as .npy files and the members of a zip archive are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "io/source.h"

namespace taper::io {

/// A known number of bytes, each read once.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Copies the next size bytes. Throws IOError if there are fewer.
  void read(void* destination, std::size_t size);
  /// Throws IOError unless all bytes were read and agree with the checksum they came with, if any.
  virtual void finish() = 0;
  std::uint64_t size() const { return size_; }
  std::uint64_t left() const { return size_ - position_; }
  /// For messages.
  const std::string& name() const { return name_; }

 protected:
  Stream(std::string name, std::uint64_t size) : name_(std::move(name)), size_(size) {}
  /// Copies the next size bytes, of which there are enough.
  virtual void fetch(void* destination, std::size_t size) = 0;
  std::uint64_t position() const { return position_; }

 private:
  std::string name_;
  std::uint64_t size_, position_ = 0;
};

/// size bytes of a source from offset on; the source must outlive the stream.
class SourceStream final : public Stream {
 public:
  SourceStream(const Source& source, std::uint64_t offset, std::uint64_t size)
      : Stream(source.name(), size), source_(source), offset_(offset) {}
  explicit SourceStream(const Source& source) : SourceStream(source, 0, source.size()) {}
  void finish() override;

 private:
  void fetch(void* destination, std::size_t size) override;

  const Source& source_;
  std::uint64_t offset_;
};

}  // namespace taper::io
