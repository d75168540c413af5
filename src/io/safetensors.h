// The safetensors format on raw memory: header, checks, checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/sink.h"
#include "io/source.h"
#include "io/text.h"
#include "taper/dtype.h"
#include "taper/shape.h"

namespace taper::io {

/// One tensor in a file.
struct TensorInfo {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // bytes, counted from the end of the header
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Reads a safetensors file: u64 header length (little endian), JSON header, data.
/// https://github.com/huggingface/safetensors, "Format".
///
/// The whole header is checked on construction, so that every tensor listed lies inside the file, has the
/// size that its shape and dtype ask for, and shares no byte with another. Files written by Taper carry
/// CRC-32C sums of the header and of each tensor in two entries of __metadata__, "taper.header" and
/// "taper.crc32c"; they are compared unless verify is false. Everything wrong is an IOError that names the
/// file, the tensor and the byte.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(std::unique_ptr<Source> source, bool verify = true);

  /// In the order of the header.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  /// Without the checksums' entries.
  const Metadata& metadata() const { return metadata_; }
  /// Whether the tensors' checksums will be compared.
  bool verifies() const { return !checksums_.empty(); }

  /// Copies tensors()[index] to destination, which has room for end - begin bytes.
  void read(std::size_t index, void* destination) const;
  /// Copies size bytes of tensors()[index] from byte offset of the tensor on; compares no checksum.
  void read_part(std::size_t index, std::uint64_t offset, void* destination, std::size_t size) const;
  /// Throws IOError if the file was written to since it was opened.
  void check_unchanged() const { source_->check_unchanged(); }
  const std::string& name() const { return source_->name(); }

 private:
  void check_layout();
  void read_checksums(std::string_view header);

  std::unique_ptr<Source> source_;
  std::uint64_t data_offset_ = 0;
  std::vector<TensorInfo> tensors_;
  Metadata metadata_;
  std::vector<std::size_t> order_;        // of the data
  std::vector<std::uint32_t> checksums_;  // by index in tensors_; empty if not verified
};

/// Writes a safetensors file. Sets begin and end of the tensors, which keep their order in the header; the
/// data are sorted by falling element size, so that every tensor is aligned. data(i) gives the bytes of
/// tensors[i], dense and row-major, valid until the next call; they are copied before their checksum is
/// taken, so that a tensor changed by another thread meanwhile still gives a readable file.
///
/// Throws ValueError for a name that is repeated, reserved ("__metadata__") or not UTF-8, DTypeError for
/// complex128, which the format lacks.
void write_safetensors(Sink& sink, std::vector<TensorInfo>& tensors, const Metadata& metadata,
                       const std::function<const void*(std::size_t)>& data);

/// "F32", "BF16", ... Throws DTypeError for complex128.
std::string_view safetensors_dtype(DType dtype);

}  // namespace taper::io
