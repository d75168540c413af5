// Reading and writing safetensors files.
#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "io/crc32c.h"
#include "io/safetensors_header.h"
#include "taper/error.h"

namespace taper::io {
namespace {

static_assert(std::endian::native == std::endian::little, "file formats here are little endian");

constexpr std::uint64_t max_header = 100'000'000;  // the format's own limit
constexpr std::size_t chunk = 256 * 1024;          // stays in the second cache between copy and checksum
constexpr std::string_view header_key = "taper.header", tensors_key = "taper.crc32c";
constexpr std::string_view header_field = "\"taper.header\":\"";
constexpr std::size_t digits = 8;
constexpr const char* mended =
    "; the file is damaged, or another program rewrote it and kept Taper's checksums (verify=False reads it "
    "anyway)";

std::string hex(std::uint32_t value) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i--; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

// One checksum, written as hex() does.
bool parse_hex(std::string_view text, std::uint32_t& value) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return text.size() == digits && code == std::errc() && end == text.data() + digits;
}

// The sum of a header is taken with the digits of that sum as zeros.
std::uint32_t header_checksum(std::string_view header, std::size_t position) {
  const std::uint32_t sum = crc32c("00000000", digits, crc32c(header.data(), position));
  return crc32c(header.data() + position + digits, header.size() - position - digits, sum);
}

std::uint64_t byte_size(const TensorInfo& tensor, const std::string& source) {
  std::uint64_t bytes = std::uint64_t(item_size(tensor.dtype));
  bool overflow = false;
  for (const std::int64_t size : tensor.shape)
    overflow |= __builtin_mul_overflow(bytes, std::uint64_t(size), &bytes);
  const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
  check<IOError>(!overflow, source, ": tensor ", Quote{tensor.name}, " of shape ", tensor.shape,
                 empty ? " is empty but its other sizes overflow" : " has more bytes than can be counted");
  return bytes;
}

// Indices of the tensors as their data lie in the file.
std::vector<std::size_t> data_order(const std::vector<TensorInfo>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(tensors[a].begin, tensors[a].end) < std::pair(tensors[b].begin, tensors[b].end);
  });
  return order;
}

// Bytes other than 0 and 1 are no bool in C++.
void normalize_bools(void* data, std::uint64_t size) {
  auto* bytes = static_cast<unsigned char*>(data);
  for (std::uint64_t i = 0; i < size; ++i) bytes[i] = bytes[i] != 0;
}

}  // namespace

std::string_view safetensors_dtype(DType dtype) {
  constexpr std::string_view names[dtype_count] = {"BOOL", "U8",  "I8",   "I16", "I32", "I64", "U16", "U32",
                                                   "U64",  "F16", "BF16", "F32", "F64", "C64", ""};
  check<DTypeError>(dtype != DType::complex128, "safetensors: the format has no complex128");
  return names[int(dtype)];
}

SafetensorsReader::SafetensorsReader(std::unique_ptr<Source> source, bool verify)
    : source_(std::move(source)) {
  const std::uint64_t size = source_->size();
  check<IOError>(size >= 8, name(), " has ", size,
                 " bytes; a safetensors file begins with a length of 8 bytes");
  std::uint64_t length = 0;
  source_->read(0, &length, 8);
  check<IOError>(length <= max_header, name(), " is no safetensors file: its header length is ", length,
                 " bytes, at most ", max_header, " are allowed");
  check<IOError>(length <= size - 8, name(), " is truncated: its header has ", length, " bytes, but only ",
                 size - 8, " follow");
  std::string header(std::size_t(length), '\0');
  source_->read(8, header.data(), header.size());
  check<IOError>(!header.empty() && header.front() == '{', name(),
                 " is no safetensors file: its header is not a JSON object");
  data_offset_ = 8 + length;
  SafetensorsHeader parsed = parse_safetensors_header(header, name());
  tensors_ = std::move(parsed.tensors);
  metadata_ = std::move(parsed.metadata);
  check_layout();
  if (verify) read_checksums(header);
  std::erase_if(metadata_,
                [](const auto& entry) { return entry.first == header_key || entry.first == tensors_key; });
}

void SafetensorsReader::check_layout() {
  const std::uint64_t available = source_->size() - data_offset_;
  order_ = data_order(tensors_);
  std::uint64_t position = 0;
  for (const std::size_t i : order_) {
    const TensorInfo& tensor = tensors_[i];
    const auto refuse_unless = [&](bool ok, const auto&... parts) {
      check<IOError>(ok, name(), ": tensor ", Quote{tensor.name}, parts...);
    };
    refuse_unless(tensor.begin <= tensor.end, " ends (", tensor.end, ") before it begins (", tensor.begin,
                  ")");
    const std::uint64_t bytes = byte_size(tensor, name());
    refuse_unless(tensor.end - tensor.begin == bytes, " of shape ", tensor.shape, " and dtype ", tensor.dtype,
                  " needs ", bytes, " bytes but has ", tensor.end - tensor.begin);
    refuse_unless(tensor.end <= available, " ends at data byte ", tensor.end, " but the file has only ",
                  available, ": it is truncated");
    refuse_unless(tensor.begin >= position, " overlaps the tensor before it: begins at data byte ",
                  tensor.begin, ", expected ", position);
    refuse_unless(tensor.begin == position, " begins at data byte ", tensor.begin, ", expected ", position,
                  ": no tensor owns the bytes between");
    position = tensor.end;
  }
  check<IOError>(position == available, name(), " has ", available - position,
                 " bytes after its last tensor");
}

void SafetensorsReader::read_checksums(std::string_view header) {
  const std::string *header_sum = nullptr, *sums = nullptr;
  for (const auto& [key, value] : metadata_)
    if (key == header_key) header_sum = &value;
    else if (key == tensors_key) sums = &value;
  if (!header_sum && !sums) return;
  check<IOError>(header_sum && sums, name(), ": one of the header's two checksum entries is missing", mended);

  const std::size_t found = header.find(header_field);
  std::uint32_t expected = 0;
  check<IOError>(found != std::string_view::npos && parse_hex(*header_sum, expected), name(),
                 ": the header's checksum cannot be read", mended);
  const std::uint32_t actual = header_checksum(header, found + header_field.size());
  check<IOError>(actual == expected, name(), ": the header (bytes 8 to ", data_offset_, ") has CRC-32C ",
                 hex(actual), ", saved as ", hex(expected), mended);

  const std::size_t stride = digits + 1;
  check<IOError>(sums->size() + 1 == tensors_.size() * stride || (tensors_.empty() && sums->empty()), name(),
                 ": has ", tensors_.size(), " tensors but not as many checksums", mended);
  checksums_.resize(tensors_.size());
  for (std::size_t i = 0; i < order_.size(); ++i)
    check<IOError>(parse_hex(std::string_view(*sums).substr(i * stride, digits), checksums_[order_[i]]),
                   name(), ": the checksum of tensor ", Quote{tensors_[order_[i]].name}, " cannot be read",
                   mended);
}

void SafetensorsReader::read(std::size_t index, void* destination) const {
  const TensorInfo& tensor = tensors_.at(index);
  auto* out = static_cast<char*>(destination);
  const std::uint64_t size = tensor.end - tensor.begin;
  std::uint32_t sum = 0;
  for (std::uint64_t done = 0; done < size;) {
    const std::size_t count = std::size_t(std::min<std::uint64_t>(chunk, size - done));
    source_->read(data_offset_ + tensor.begin + done, out + done, count);
    if (verifies()) sum = crc32c(out + done, count, sum);
    done += count;
  }
  if (verifies() && sum != checksums_[index])
    fail<IOError>(name(), ": tensor ", Quote{tensor.name}, " (bytes ", data_offset_ + tensor.begin, " to ",
                  data_offset_ + tensor.end, " of the file) has CRC-32C ", hex(sum), ", saved as ",
                  hex(checksums_[index]), mended);
  if (tensor.dtype == DType::boolean) normalize_bools(destination, size);
}

void SafetensorsReader::read_part(std::size_t index, std::uint64_t offset, void* destination,
                                  std::size_t size) const {
  const TensorInfo& tensor = tensors_.at(index);
  check<IndexError>(offset <= tensor.end - tensor.begin && size <= tensor.end - tensor.begin - offset,
                    "safetensors: part of ", Quote{tensor.name}, " lies outside the tensor");
  source_->read(data_offset_ + tensor.begin + offset, destination, size);
  if (tensor.dtype == DType::boolean) normalize_bools(destination, size);
}

namespace {

std::string json_string(const std::string& text, const char* what) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    fail<ValueError>("safetensors: a ", what, " is not UTF-8 text");
  }
}

// Gives each tensor its place; returns the order of the data.
std::vector<std::size_t> lay_out(std::vector<TensorInfo>& tensors) {
  std::unordered_set<std::string_view> names;
  for (const TensorInfo& tensor : tensors) {
    check<ValueError>(tensor.name != "__metadata__",
                      "safetensors: the name '__metadata__' is reserved by the format");
    check<ValueError>(names.insert(tensor.name).second, "safetensors: two tensors are named ",
                      Quote{tensor.name});
  }
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return item_size(tensors[a].dtype) > item_size(tensors[b].dtype);
  });
  std::uint64_t position = 0;
  for (const std::size_t i : order) {
    tensors[i].begin = position;
    tensors[i].end = position += byte_size(tensors[i], "safetensors");
  }
  return order;
}

std::string header_text(const std::vector<TensorInfo>& tensors, const Metadata& metadata,
                        const std::vector<std::uint32_t>& sums_in_data_order, std::uint32_t own_sum) {
  std::string sums;
  for (const std::uint32_t sum : sums_in_data_order) sums += (sums.empty() ? "" : " ") + hex(sum);
  std::string text =
      concat("{\"__metadata__\":{", header_field, hex(own_sum), "\",\"", tensors_key, "\":\"", sums, "\"");
  for (const auto& [key, value] : metadata)
    if (key != header_key && key != tensors_key)
      text += "," + json_string(key, "metadata key") + ":" + json_string(value, "metadata value");
  text += "}";
  for (const TensorInfo& tensor : tensors) {
    text += (concat(",", json_string(tensor.name, "tensor name"), ":{\"dtype\":\"",
                    safetensors_dtype(tensor.dtype), "\",\"shape\":["));
    for (int d = 0; d < tensor.shape.size(); ++d) text += (concat(d ? "," : "", tensor.shape[d]));
    text += (concat("],\"data_offsets\":[", tensor.begin, ",", tensor.end, "]}"));
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(Sink& sink, std::vector<TensorInfo>& tensors, const Metadata& metadata,
                       const std::function<const void*(std::size_t)>& data) {
  const std::vector<std::size_t> order = lay_out(tensors);
  const std::uint64_t start = sink.position();
  std::vector<std::uint32_t> sums(tensors.size(), 0);
  std::string header = header_text(tensors, metadata, sums, 0);
  check<ValueError>(header.size() <= max_header, "safetensors: the header would have ", header.size(),
                    " bytes; the format allows ", max_header);
  const std::uint64_t length = header.size();
  sink.write(&length, 8);
  sink.write(header.data(), header.size());

  std::vector<char> buffer(chunk);
  for (std::size_t k = 0; k < order.size(); ++k) {
    const TensorInfo& tensor = tensors[order[k]];
    auto* bytes = static_cast<const char*>(data(order[k]));
    for (std::uint64_t done = 0, size = tensor.end - tensor.begin; done < size;) {
      const std::size_t count = std::size_t(std::min<std::uint64_t>(chunk, size - done));
      std::copy_n(bytes + done, count, buffer.data());
      sums[k] = crc32c(buffer.data(), count, sums[k]);
      sink.write(buffer.data(), count);
      done += count;
    }
  }

  header = header_text(tensors, metadata, sums, 0);
  const std::size_t position = header.find(header_field) + header_field.size();
  header.replace(position, digits, hex(header_checksum(header, position)));
  sink.patch(start + 8, header.data(), header.size());
}

}  // namespace taper::io
