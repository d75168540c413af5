// Writing zip archives.
#include <zlib.h>

#include <algorithm>

#include "io/text.h"
#include "io/zip.h"
#include "taper/error.h"

namespace taper::io {
namespace {

constexpr std::uint32_t in_zip64 = 0xffffffff;
constexpr std::uint16_t version = 45;  // of the format that has zip64
constexpr std::uint16_t utf8_name = 1 << 11;
constexpr std::uint16_t first_day = 0x21;  // 1980-01-01, so that equal content gives equal files

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// What stands before a member's data. The sizes are in the zip64 field always, since they are not known yet.
std::string local_header(const ZipReader::Member& member) {
  std::string bytes;
  put<std::uint32_t>(bytes, 0x04034b50);
  put(bytes, version);
  put(bytes, utf8_name);
  put(bytes, member.method);
  put<std::uint16_t>(bytes, 0);
  put(bytes, first_day);
  put(bytes, member.crc);
  put(bytes, in_zip64);
  put(bytes, in_zip64);
  put(bytes, std::uint16_t(member.name.size()));
  put<std::uint16_t>(bytes, 20);
  bytes += member.name;
  put<std::uint16_t>(bytes, 1);
  put<std::uint16_t>(bytes, 16);
  put(bytes, member.size);
  put(bytes, member.compressed);
  return bytes;
}

std::string directory_entry(const ZipReader::Member& member) {
  std::string extra;
  for (const std::uint64_t value : {member.size, member.compressed, member.header_offset})
    if (value >= in_zip64) put(extra, value);
  const auto narrow = [](std::uint64_t value) {
    return std::uint32_t(std::min<std::uint64_t>(value, in_zip64));
  };
  std::string bytes;
  put<std::uint32_t>(bytes, 0x02014b50);
  put<std::uint16_t>(bytes, version | 3 << 8);  // made by Unix
  put(bytes, version);
  put(bytes, utf8_name);
  put(bytes, member.method);
  put<std::uint16_t>(bytes, 0);
  put(bytes, first_day);
  put(bytes, member.crc);
  put(bytes, narrow(member.compressed));
  put(bytes, narrow(member.size));
  put(bytes, std::uint16_t(member.name.size()));
  put(bytes, std::uint16_t(extra.empty() ? 0 : extra.size() + 4));
  put<std::uint16_t>(bytes, 0);            // comment
  put<std::uint16_t>(bytes, 0);            // disk
  put<std::uint16_t>(bytes, 0);            // internal attributes
  put<std::uint32_t>(bytes, 0600u << 16);  // external attributes: the permissions
  put(bytes, narrow(member.header_offset));
  bytes += member.name;
  if (!extra.empty()) {
    put<std::uint16_t>(bytes, 1);
    put(bytes, std::uint16_t(extra.size()));
    bytes += extra;
  }
  return bytes;
}

class Deflater {
 public:
  explicit Deflater(Sink& sink) : sink_(sink), buffer_(256 * 1024) {
    const int result =
        deflateInit2(&state_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    check<OutOfMemory>(result == Z_OK, "npz: no memory for compression");
  }
  ~Deflater() { deflateEnd(&state_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  void run(const void* data, std::size_t size, int flush) {
    state_.next_in = static_cast<Bytef*>(const_cast<void*>(data));
    state_.avail_in = uInt(size);
    do {
      state_.next_out = buffer_.data();
      state_.avail_out = uInt(buffer_.size());
      ::deflate(&state_, flush);
      sink_.write(buffer_.data(), buffer_.size() - state_.avail_out);
    } while (state_.avail_out == 0);
  }

 private:
  Sink& sink_;
  std::vector<Bytef> buffer_;
  z_stream state_ = {};
};

}  // namespace

void ZipWriter::add(const std::string& name, bool compress, const std::function<void(const Emit&)>& content) {
  check<ValueError>(name.size() <= 0xffff, "zip: a member's name has ", name.size(),
                    " bytes; at most 65535 fit");
  check<ValueError>(is_utf8(name), "zip: a member's name is not UTF-8 text");
  ZipReader::Member member;
  member.name = name;
  member.method = compress ? 8 : 0;
  member.header_offset = sink_.position();
  const std::string header = local_header(member);
  sink_.write(header.data(), header.size());
  const std::uint64_t start = sink_.position();

  std::unique_ptr<Deflater> deflater = compress ? std::make_unique<Deflater>(sink_) : nullptr;
  content([&](const void* data, std::size_t size) {
    constexpr std::size_t most = std::size_t(1) << 20;
    for (auto* p = static_cast<const Bytef*>(data); size;) {
      const std::size_t count = std::min(size, most);
      member.crc = std::uint32_t(::crc32(member.crc, p, uInt(count)));
      if (deflater) deflater->run(p, count, Z_NO_FLUSH);
      else sink_.write(p, count);
      member.size += count;
      p += count;
      size -= count;
    }
  });
  if (deflater) deflater->run(nullptr, 0, Z_FINISH);
  member.compressed = sink_.position() - start;
  const std::string filled = local_header(member);
  sink_.patch(member.header_offset, filled.data(), filled.size());
  members_.push_back(std::move(member));
}

void ZipWriter::finish() {
  const std::uint64_t offset = sink_.position();
  std::string bytes;
  for (const ZipReader::Member& member : members_) bytes += directory_entry(member);
  const std::uint64_t size = bytes.size(), count = members_.size();
  if (count >= 0xffff || offset + size >= in_zip64) {
    const std::uint64_t end64 = offset + size;
    put<std::uint32_t>(bytes, 0x06064b50);
    put<std::uint64_t>(bytes, 44);  // size of the rest of this record
    put(bytes, version);
    put(bytes, version);
    put<std::uint32_t>(bytes, 0);
    put<std::uint32_t>(bytes, 0);
    put(bytes, count);
    put(bytes, count);
    put(bytes, size);
    put(bytes, offset);
    put<std::uint32_t>(bytes, 0x07064b50);
    put<std::uint32_t>(bytes, 0);
    put(bytes, end64);
    put<std::uint32_t>(bytes, 1);
  }
  put<std::uint32_t>(bytes, 0x06054b50);
  put<std::uint32_t>(bytes, 0);
  put(bytes, std::uint16_t(std::min<std::uint64_t>(count, 0xffff)));
  put(bytes, std::uint16_t(std::min<std::uint64_t>(count, 0xffff)));
  put(bytes, std::uint32_t(std::min<std::uint64_t>(size, in_zip64)));
  put(bytes, std::uint32_t(std::min<std::uint64_t>(offset, in_zip64)));
  put<std::uint16_t>(bytes, 0);
  sink_.write(bytes.data(), bytes.size());
}

}  // namespace taper::io
