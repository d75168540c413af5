// Zip archives, as far as .npz files need them: members stored or deflated, with zip64 for large ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/sink.h"
#include "io/source.h"
#include "io/stream.h"

namespace taper::io {

/// Lists and reads the members of an archive. Source: PKWARE, APPNOTE.TXT 6.3.9.
class ZipReader {
 public:
  struct Member {
    std::string name;
    std::uint16_t method = 0;  // 0 stored, 8 deflated
    std::uint32_t crc = 0;     // CRC-32 of the content
    std::uint64_t compressed = 0, size = 0, header_offset = 0;
  };

  /// Reads the directory. Throws IOError if the archive is damaged, truncated, encrypted or in several parts.
  explicit ZipReader(std::unique_ptr<Source> source);

  const std::vector<Member>& members() const { return members_; }
  /// The content of a member; its CRC-32 is compared by finish(). The reader must outlive the stream.
  std::unique_ptr<Stream> open(const Member& member) const;
  const Source& source() const { return *source_; }

 private:
  struct Directory {
    std::uint64_t count = 0, size = 0, offset = 0;
  };
  Directory find_directory() const;
  void read_directory(const Directory& directory);

  std::unique_ptr<Source> source_;
  std::uint64_t directory_offset_ = 0;
  std::vector<Member> members_;
};

/// Writes an archive member by member.
class ZipWriter {
 public:
  explicit ZipWriter(Sink& sink) : sink_(sink) {}
  using Emit = std::function<void(const void*, std::size_t)>;
  /// content(emit) gives the member's bytes in any number of pieces. Deflates them if compress.
  void add(const std::string& name, bool compress, const std::function<void(const Emit&)>& content);
  /// Writes the directory; nothing can be added afterwards.
  void finish();

 private:
  Sink& sink_;
  std::vector<ZipReader::Member> members_;
};

}  // namespace taper::io
