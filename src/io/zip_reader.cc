// Reading zip archives.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "io/text.h"
#include "io/zip.h"
#include "taper/error.h"

namespace taper::io {
namespace {

constexpr std::uint32_t end_signature = 0x06054b50, end64_signature = 0x06064b50,
                        locator_signature = 0x07064b50, directory_signature = 0x02014b50,
                        local_signature = 0x04034b50;
constexpr std::uint64_t end_size = 22, end64_size = 56, locator_size = 20, entry_size = 46, local_size = 30;
constexpr std::uint32_t in_zip64 = 0xffffffff;

template <class T>
T get(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string fetch(const Source& source, std::uint64_t offset, std::uint64_t size) {
  check<IOError>(offset <= source.size() && size <= source.size() - offset, source.name(),
                 " is truncated: its zip directory points past its end");
  std::string bytes(std::size_t(size), '\0');
  source.read(offset, bytes.data(), bytes.size());
  return bytes;
}

// Replaces the sizes and offset that did not fit in 32 bits by those of the extra field 1 (APPNOTE 4.5.3).
void read_zip64(std::string_view extra, ZipReader::Member& member, const Source& source) {
  while (extra.size() >= 4) {
    const auto id = get<std::uint16_t>(extra, 0), length = get<std::uint16_t>(extra, 2);
    check<IOError>(length <= extra.size() - 4, source.name(), ": zip member '", member.name,
                   "' has a damaged extra field");
    std::string_view field = extra.substr(4, length);
    extra.remove_prefix(4 + std::size_t(length));
    if (id != 1) continue;
    for (std::uint64_t* value : {&member.size, &member.compressed, &member.header_offset}) {
      if (*value != in_zip64) continue;
      check<IOError>(field.size() >= 8, source.name(), ": zip member '", member.name,
                     "' has a damaged zip64 field");
      *value = get<std::uint64_t>(field, 0);
      field.remove_prefix(8);
    }
  }
}

class MemberStream final : public Stream {
 public:
  MemberStream(const Source& source, const ZipReader::Member& member, std::uint64_t offset)
      : Stream(concat(source.name(), ": zip member '", member.name, "'"), member.size),
        source_(source),
        offset_(offset),
        compressed_(member.compressed),
        deflated_(member.method == 8),
        expected_(member.crc) {
    if (deflated_ && inflateInit2(&inflater_, -MAX_WBITS) != Z_OK)
      fail<OutOfMemory>(name(), ": no memory for decompression");
  }
  ~MemberStream() override {
    if (deflated_) inflateEnd(&inflater_);
  }
  MemberStream(const MemberStream&) = delete;
  MemberStream& operator=(const MemberStream&) = delete;

  void finish() override {
    check<IOError>(left() == 0, name(), " has ", left(), " bytes after its array");
    if (deflated_) finish_inflating();
    check<IOError>(actual_ == expected_, name(), " is damaged: its CRC-32 does not match");
    source_.check_unchanged();
  }

 private:
  static constexpr std::size_t chunk = 256 * 1024;

  void fetch(void* destination, std::size_t size) override {
    auto* out = static_cast<Bytef*>(destination);
    while (size) {
      const std::size_t count = std::min(size, chunk);
      if (deflated_) {
        inflate_into(out, count);
      } else {
        source_.read(offset_ + consumed_, out, count);
        consumed_ += count;
      }
      actual_ = std::uint32_t(::crc32(actual_, out, uInt(count)));
      out += count;
      size -= count;
    }
  }

  void refill() {
    if (inflater_.avail_in || consumed_ == compressed_) return;
    const std::size_t count = std::size_t(std::min<std::uint64_t>(chunk, compressed_ - consumed_));
    input_.resize(count);
    source_.read(offset_ + consumed_, input_.data(), count);
    consumed_ += count;
    inflater_.next_in = reinterpret_cast<Bytef*>(input_.data());
    inflater_.avail_in = uInt(count);
  }

  void inflate_into(Bytef* out, std::size_t size) {
    inflater_.next_out = out;
    inflater_.avail_out = uInt(size);
    while (inflater_.avail_out) {
      refill();
      const int result = ::inflate(&inflater_, Z_NO_FLUSH);
      ended_ = result == Z_STREAM_END;
      const bool going_on = result == Z_OK || (ended_ && inflater_.avail_out == 0);
      check<IOError>(going_on, name(), " is damaged: its deflated data are not valid");
    }
  }

  // The end marker may still be unread; after it nothing may follow.
  void finish_inflating() {
    Bytef extra;
    inflater_.next_out = &extra;
    inflater_.avail_out = 1;
    while (!ended_) {
      refill();
      const int result = ::inflate(&inflater_, Z_NO_FLUSH);
      ended_ = result == Z_STREAM_END;
      check<IOError>((ended_ || result == Z_OK) && inflater_.avail_out == 1, name(),
                     " is damaged: its deflated data do not end where they should");
    }
    check<IOError>(consumed_ == compressed_ && inflater_.avail_in == 0, name(),
                   " is damaged: bytes follow its deflated data");
  }

  const Source& source_;
  std::uint64_t offset_, compressed_, consumed_ = 0;
  bool deflated_, ended_ = false;
  std::uint32_t expected_, actual_ = 0;
  std::string input_;
  z_stream inflater_ = {};
};

}  // namespace

ZipReader::ZipReader(std::unique_ptr<Source> source) : source_(std::move(source)) {
  read_directory(find_directory());
}

ZipReader::Directory ZipReader::find_directory() const {
  const std::uint64_t size = source_->size();
  const std::uint64_t window = std::min<std::uint64_t>(size, end_size + 0xffff);  // with the longest comment
  const std::string tail = fetch(*source_, size - window, window);
  std::uint64_t position = size;
  for (std::size_t i = tail.size() >= end_size ? tail.size() - end_size + 1 : 0; i-- > 0;)
    if (get<std::uint32_t>(tail, i) == end_signature &&
        get<std::uint16_t>(tail, i + 20) == tail.size() - i - end_size) {
      position = size - window + i;
      break;
    }
  check<IOError>(position < size, source_->name(),
                 " is no zip archive, or is truncated: it has no zip directory");

  const std::string end = fetch(*source_, position, end_size);
  Directory directory{get<std::uint16_t>(end, 10), get<std::uint32_t>(end, 12), get<std::uint32_t>(end, 16)};
  const bool parts = get<std::uint16_t>(end, 4) != 0 && get<std::uint16_t>(end, 4) != 0xffff;
  check<IOError>(!parts, source_->name(), ": zip archives in several parts cannot be read");
  const bool large = directory.count == 0xffff || directory.size == in_zip64 || directory.offset == in_zip64;
  if (large && position >= locator_size) {
    const std::string locator = fetch(*source_, position - locator_size, locator_size);
    if (get<std::uint32_t>(locator, 0) == locator_signature) {
      position = get<std::uint64_t>(locator, 8);
      const std::string end64 = fetch(*source_, position, end64_size);
      check<IOError>(get<std::uint32_t>(end64, 0) == end64_signature, source_->name(),
                     ": the zip64 directory is damaged");
      directory = {get<std::uint64_t>(end64, 32), get<std::uint64_t>(end64, 40),
                   get<std::uint64_t>(end64, 48)};
    }
  }
  check<IOError>(directory.offset <= position && directory.size == position - directory.offset,
                 source_->name(),
                 ": the zip directory is damaged: it does not end where its end record begins");
  check<IOError>(directory.count <= directory.size / entry_size, source_->name(),
                 ": the zip directory claims ", directory.count, " members but has room for ",
                 directory.size / entry_size);
  return directory;
}

void ZipReader::read_directory(const Directory& directory) {
  directory_offset_ = directory.offset;
  const std::string bytes = fetch(*source_, directory.offset, directory.size);
  std::string_view rest = bytes;
  std::unordered_set<std::string> names;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    check<IOError>(rest.size() >= entry_size && get<std::uint32_t>(rest, 0) == directory_signature,
                   source_->name(), ": the zip directory is damaged at its entry ", i);
    const std::size_t name = get<std::uint16_t>(rest, 28), extra = get<std::uint16_t>(rest, 30),
                      comment = get<std::uint16_t>(rest, 32);
    check<IOError>(rest.size() >= entry_size + name + extra + comment, source_->name(),
                   ": the zip directory is damaged at its entry ", i);
    Member member{std::string(rest.substr(entry_size, name)),
                  get<std::uint16_t>(rest, 10),
                  get<std::uint32_t>(rest, 16),
                  get<std::uint32_t>(rest, 20),
                  get<std::uint32_t>(rest, 24),
                  get<std::uint32_t>(rest, 42)};
    check<IOError>(is_utf8(member.name), source_->name(), ": the name of zip member ", i, " is not UTF-8");
    read_zip64(rest.substr(entry_size + name, extra), member, *source_);
    check<IOError>(names.insert(member.name).second, source_->name(), ": two zip members are named '",
                   member.name, "'");
    check<IOError>(!(get<std::uint16_t>(rest, 8) & 1), source_->name(), ": zip member '", member.name,
                   "' is encrypted");
    members_.push_back(std::move(member));
    rest.remove_prefix(entry_size + name + extra + comment);
  }
  check<IOError>(rest.empty(), source_->name(), ": the zip directory is damaged: ", rest.size(),
                 " bytes follow its last entry");
}

std::unique_ptr<Stream> ZipReader::open(const Member& member) const {
  const std::string label = concat(source_->name(), ": zip member '", member.name, "'");
  const std::uint64_t offset = member.header_offset;
  check<IOError>(offset <= directory_offset_ && local_size <= directory_offset_ - offset, label,
                 " lies outside the file");
  const std::string local = fetch(*source_, offset, local_size);
  check<IOError>(get<std::uint32_t>(local, 0) == local_signature, label,
                 " does not begin where the directory says");
  const std::uint64_t name = get<std::uint16_t>(local, 26), extra = get<std::uint16_t>(local, 28);
  const std::uint64_t data = offset + local_size + name + extra;
  check<IOError>(data <= directory_offset_ && member.compressed <= directory_offset_ - data, label,
                 " is truncated or damaged: its data would end past the directory");
  check<IOError>(fetch(*source_, offset + local_size, name) == member.name, label,
                 " has another name in the directory than before its data");
  check<IOError>(member.method == 0 || member.method == 8, label, " is compressed by method ", member.method,
                 "; only stored (0) and deflated (8) members can be read");
  check<IOError>(member.method == 8 || member.compressed == member.size, label,
                 " is stored but has two sizes");
  // Deflate gains at most a factor of 1032, so a size beyond that is false and must not be allocated.
  check<IOError>(member.method == 0 || member.size / 1032 <= member.compressed, label, " claims ",
                 member.size, " bytes, more than its ", member.compressed, " deflated bytes can hold");
  return std::make_unique<MemberStream>(*source_, member, data);
}

}  // namespace taper::io
